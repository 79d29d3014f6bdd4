# shellcheck shell=bash
# What the demonstrations share: checks that are told, a network namespace for servers with a private address,
# certificates, and the gateway.  Sourced after common.sh, never run; `begin_demo NAME` comes first.

supervisor=$KEYWARD_ROOT/build-release/supervisor/supervisor
gateway=$KEYWARD_ROOT/build-release/gateway/gateway
started=() checks=0

# begin_demo NAME [--no-build]: packages and programs, then a work folder that is gone at the end.
begin_demo() {
  need_root
  say "Debian packages"
  "$KEYWARD_ROOT/packaging/deps.sh" demo
  if [[ ${2:-} != --no-build ]]; then
    say "building supervisor and gateway (minutes the first time, seconds afterwards)"
    "$KEYWARD_ROOT/packaging/build.sh" release
  fi
  namespace=keyward-$1-$$ veth=kwd-$$
  work=$(mktemp -d "/var/tmp/keyward-$1.XXXXXX")
  chmod 755 "$work"
  trap cleanup EXIT
  trap 'exit 130' INT TERM
  mkdir -m 700 "$work/secrets" "$work/state" "$work/state/operator" "$work/token" "$work/audit"
  socket=$work/state/operator/operator.sock
}

end_demo() { printf '\nDone: %d checks, all as they should be.\n' "$checks"; }

cleanup() {
  local pid
  exec 2>/dev/null # bash would tell of each process that it ends
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  remove_namespace
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}

# check WHAT COMMAND...: one line of the transcript; a check that fails ends the demonstration.
check() {
  local what=$1
  shift
  "$@" || die "not as it should be: $what"
  checks=$((checks + 1))
  printf '  ok  %s\n' "$what"
}

not() { ! "$@"; }

wait_for() {
  local what=$1 n
  shift
  for ((n = 0; n < 300; n++)); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.1
  done
  tail -n 20 "$work"/*.log >&2 || true
  die "$what did not start"
}

# Two addresses of a /30 that depend on the process id, so that two runs do not meet; servers use the second one.
make_namespace() {
  local base=10.232.$(($$ / 64 % 256)) first=$(($$ % 64 * 4))
  address=$base.$((first + 2))
  ip netns add "$namespace"
  ip link add "$veth" type veth peer name eth0 netns "$namespace"
  ip addr add "$base.$((first + 1))/30" dev "$veth"
  ip link set "$veth" up
  ip -n "$namespace" addr add "$address/30" dev eth0
  ip -n "$namespace" link set eth0 up
  ip -n "$namespace" link set lo up
}

# Whatever lives there is ours, and need not be asked politely.
remove_namespace() {
  local pid
  for pid in $(ip netns pids "$namespace" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null || true; done
  ip link del "$veth" 2>/dev/null || true
  ip netns del "$namespace" 2>/dev/null || true
}

make_authority() (
  cd "$work" || exit 1
  umask 077
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout secrets/ca.key -out ca.pem -days 2 \
    -subj "/CN=Keyward demonstration CA" -addext basicConstraints=critical,CA:TRUE
)

# make_certificate NAME HOST...: secrets/NAME.pem and secrets/NAME.key
make_certificate() (
  name=$1 names=$(printf ',DNS:%s' "${@:2}")
  cd "$work/secrets" || exit 1
  umask 077
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$name.key" -out "$name.csr" -subj "/CN=$2"
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "${names#,}" >"$name.ext"
  openssl x509 -req -in "$name.csr" -CA ../ca.pem -CAkey ca.key -CAcreateserial -CAserial ca.srl -days 2 \
    -extfile "$name.ext" -out "$name.pem"
)

start_gateway() {
  say "starting the gateway on loopback (keys by certgen, SQLite)"
  quietly "$work/certgen.log" "$gateway" certgen --output-dir "$work/state/tls"
  gateway_port=$((20000 + $$ % 20000))
  "$gateway" serve --tls-dir "$work/state/tls" --database "$work/state/gateway.db" \
    --listen "127.0.0.1:$gateway_port" --audit-log "$work/state/audit.jsonl" --operator-socket "$socket" >"$work/gateway.log" 2>&1 &
  started+=($!)
  wait_for "the gateway" operator health
}

operator() { "$gateway" "$@" --operator-socket "$socket"; }

# run_inside SCRIPT ARGUMENTS OPTIONS: `supervisor run` with the gateway's sandbox; ARGUMENTS and OPTIONS name arrays.
# What SCRIPT says is shown and its checks are counted; all of it stays in inside.out, lines of KEPT only there.
run_inside() {
  local -n arguments=$2 options=$3
  OPENSHELL_ENDPOINT=https://127.0.0.1:$gateway_port OPENSHELL_TLS_CA=$work/state/tls/ca.crt \
    OPENSHELL_SANDBOX_TOKEN_FILE=$work/token/sandbox.jwt \
    "$supervisor" run --upstream-ca "$work/ca.pem" --hide "$work/state" --audit-log "$work/audit/audit.jsonl" "${options[@]}" \
    -- /bin/bash -c "$(cat "$1")" demo "${arguments[@]}" >"$work/inside.out" 2>"$work/audit/supervisor.log" ||
    { cat "$work/inside.out" "$work/audit/supervisor.log" && die "the demo program failed"; }
  grep -v '^KEPT ' "$work/inside.out"
  checks=$((checks + $(grep -c '^  ok' "$work/inside.out")))
}
