#!/bin/bash
# Builds Keyward and shows its main job on this machine: the AWS CLI, holding only placeholder keys, works with a real S3
# server whose real keys never enter the sandbox.
# usage: packaging/quickstart.sh [--no-build]
# For a fresh Debian 12, as root.  Everything it starts is ended and every folder of the run removed; it can be run again.
set -euo pipefail
# shellcheck source=packaging/common.sh
source "$(dirname "$0")/common.sh"
# shellcheck source=packaging/s3_server.sh
source "$KEYWARD_ROOT/packaging/s3_server.sh"

supervisor=$KEYWARD_ROOT/build-release/supervisor/supervisor
gateway=$KEYWARD_ROOT/build-release/gateway/gateway
real_access=AKIAQUICKSTART000000
port=8333 host=s3.keyward.test

main() {
  need_root
  say "Debian packages"
  "$KEYWARD_ROOT/packaging/deps.sh" demo
  if [[ ${1:-} != --no-build ]]; then
    say "building supervisor and gateway (minutes the first time, seconds afterwards)"
    "$KEYWARD_ROOT/packaging/build.sh" release
  fi
  install_seaweedfs

  work=$(mktemp -d /var/tmp/keyward-quickstart.XXXXXX)
  chmod 755 "$work"
  trap cleanup EXIT
  trap 'exit 130' INT TERM
  mkdir -m 700 "$work/secrets" "$work/state" "$work/state/operator" "$work/token" "$work/audit"
  socket=$work/state/operator/operator.sock
  real_secret=$(head -c 30 /dev/urandom | base64 | tr '+/' 'ab')

  start_s3_server
  start_gateway
  register_sandbox
  run_demo
  show_refusals_outside
  printf '\nDone: %d checks, all as they should be.\n' "$checks"
}

cleanup() {
  local pid
  exec 2>/dev/null # bash would tell of each process that it ends
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  stop_s3_server
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}

started=() checks=0

# check WHAT COMMAND...: one line of the transcript; a check that fails ends the quickstart.
check() {
  local what=$1
  shift
  "$@" || die "not as it should be: $what"
  checks=$((checks + 1))
  printf '  ok  %s\n' "$what"
}

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

register_sandbox() {
  say "registering the real keys with the gateway, and a sandbox that may use them"
  (umask 077 && printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$real_access" "$real_secret" \
    >"$work/secrets/aws")
  sed -e "s|@ADDRESS@|$s3_address|" "$KEYWARD_ROOT/packaging/quickstart-policy.yaml" >"$work/policy.yaml"
  quietly "$work/provider.log" operator provider create aws demo-keys --from-file "$work/secrets/aws" \
    --bind "$host:$port"
  quietly "$work/sandbox.log" operator sandbox create demo --policy "$work/policy.yaml" --provider demo-keys \
    --token-out "$work/token/sandbox.jwt"
}

run_demo() {
  say "supervisor run: the demo program, inside"
  printf '\nInside the sandbox\n'
  OPENSHELL_ENDPOINT=https://127.0.0.1:$gateway_port OPENSHELL_TLS_CA=$work/state/tls/ca.crt \
    OPENSHELL_SANDBOX_TOKEN_FILE=$work/token/sandbox.jwt \
    "$supervisor" run --host-alias "$host=$s3_address" --upstream-ca "$work/ca.pem" --hide "$work/state" \
    --audit-log "$work/audit/audit.jsonl" --env AWS_DEFAULT_REGION=us-east-1 \
    -- /bin/bash -c "$(cat "$KEYWARD_ROOT/packaging/quickstart-inside.sh")" demo \
    "https://$host:$port" "$s3_address" "$port" "$work/token/sandbox.jwt" "$socket" >"$work/inside.out" ||
    { cat "$work/inside.out" && die "the demo program failed"; }
  grep -v '^PLACEHOLDER ' "$work/inside.out"
  read -r _ placeholder_access placeholder_secret < <(grep '^PLACEHOLDER ' "$work/inside.out")
  checks=$((checks + $(grep -c '^  ok' "$work/inside.out")))

  printf '\nWhat left (the audit log)\n'
  check "each request was decided and signed on the way out" grep -q '"class_uid":4002' "$work/audit/audit.jsonl"
  check "the real secret is not in the audit log" not grep -qF "$real_secret" "$work/audit/audit.jsonl"
  check "the real secret was never seen inside" not grep -qF "$real_secret" "$work/inside.out"
  printf '      %s\n' "$(grep -m1 'sigv4' "$work/audit/audit.jsonl" | cut -c1-400)"
}

not() { ! "$@"; }

# The placeholder keys without the supervisor: the server does not know them.
show_refusals_outside() {
  printf '\nOutside, with the same placeholder keys and no supervisor\n'
  head -c 1000 /dev/zero >"$work/zeros"
  check "the upload is refused by the server (403)" placeholder_upload_is_refused
}

placeholder_upload_is_refused() {
  local out
  out=$(ip netns exec "$s3_namespace" env -i PATH=/usr/bin:/bin HOME="$work" AWS_ACCESS_KEY_ID="$placeholder_access" \
    AWS_SECRET_ACCESS_KEY="$placeholder_secret" AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true \
    /usr/bin/aws --no-verify-ssl --endpoint-url "https://$s3_address:$port" s3api put-object --bucket quickstart --key stolen \
    --body "$work/zeros" 2>&1) && return 1
  grep -qE '403|InvalidAccessKeyId|AccessDenied' <<<"$out"
}

main "$@"
