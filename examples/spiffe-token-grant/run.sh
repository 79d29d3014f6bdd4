#!/bin/bash
# Shows token grants on this machine: a sandboxed program calls two protected services with plain curl.  Each call
# carries a short-lived token of its own, which the supervisor gets by proving the sandbox's SPIFFE identity; the program
# has neither the proof nor the token.
# usage: examples/spiffe-token-grant/run.sh [--no-build]
# For Debian 12, as root.  Everything it starts is ended and every folder of the run removed; it can be run again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=packaging/common.sh
source "$here/../../packaging/common.sh"
# shellcheck source=packaging/demo.sh
source "$KEYWARD_ROOT/packaging/demo.sh"

domain=demo.keyward.test
workload=spiffe://$domain/sandbox/demo
login=login.$domain alpha=alpha.$domain beta=beta.$domain
login_port=8440 alpha_port=8441 beta_port=8442
issuer=https://$login:$login_port

main() {
  begin_demo token-grant "$@"
  build_agent
  make_servers_place
  start_agent
  start_servers
  start_gateway
  register_sandbox
  run_demo
  show_what_left
  show_refusals_outside
  end_demo
}

# What a SPIRE agent would be: it gives JWT-SVIDs of one identity on a unix socket, and tells the trust bundle.
build_agent() {
  say "looking for the SPIFFE agent (tests/peers/spiffe; minutes the first time)"
  agent_program=$(PYTHONPATH=$KEYWARD_ROOT/tests python3 -c 'from e2e.support import tools; print(tools.spiffe_peer())' | tail -n 1)
}

make_servers_place() {
  say "making the network namespace $namespace, and certificates for $login, $alpha and $beta"
  make_namespace
  quietly "$work/certificates.log" make_authority
  quietly "$work/certificates.log" make_certificate servers "$login" "$alpha" "$beta"
}

start_agent() {
  say "starting the SPIFFE agent: it knows $workload"
  mkdir -m 700 "$work/agent"
  coproc agent { exec "$agent_program" "$work/agent/api.sock" "$domain" 2>"$work/agent.log"; }
  # shellcheck disable=SC2154 # coproc sets it
  started+=("$agent_PID")
  read -r _ <&"${agent[0]}"
  tell_agent "{\"do\":\"entries\",\"entries\":[{\"id\":\"$workload\"}]}"
  tell_agent '{"do":"bundle"}'
  sed -e 's/^{"keys"://' -e 's/}$//' <<<"$answer" >"$work/secrets/bundle.json"
}

# Sets `answer`.  Not in a subshell, which has no part in a coprocess.
tell_agent() {
  printf '%s\n' "$1" >&"${agent[1]}"
  read -r answer <&"${agent[0]}"
}

start_servers() {
  say "starting the token issuer, which trusts that bundle, and the services alpha and beta, which trust the issuer"
  start_server issuer.py login $login_port "\"issuer\": \"$issuer\", \"bundle\": \"$work/secrets/bundle.json\",
    \"trust_domain\": \"$domain\", \"published\": \"$work/secrets/issuer-keys.json\", \"record\": \"$work/secrets/tokens\", \"lifetime\": 300,
    \"services\": {\"alpha\": [\"read\"], \"beta\": [\"orders:read\", \"orders:write\"]}"
  wait_for "the token issuer" test -s "$work/secrets/issuer-keys.json"
  start_service alpha $alpha_port '{"GET": "read", "POST": "write"}'
  start_service beta $beta_port '{"GET": "orders:read", "POST": "orders:write"}'
  wait_for "the token issuer" answers $login $login_port
  wait_for "alpha" answers $alpha $alpha_port
  wait_for "beta" answers $beta $beta_port
}

# start_server PROGRAM NAME PORT SETTINGS: with a log of its own, in the namespace.
start_server() {
  printf '{"address": "%s", "port": %d, "certificate": "%s", "key": "%s", %s}\n' "$address" "$3" "$work/secrets/servers.pem" \
    "$work/secrets/servers.key" "$4" >"$work/secrets/$2.json"
  ip netns exec "$namespace" python3 "$here/$1" "$work/secrets/$2.json" >>"$work/secrets/$2.log" 2>"$work/$2.log" &
  started+=($!)
}

start_service() {
  start_server service.py "$1" "$2" "\"name\": \"$1\", \"issuer\": \"$issuer\", \"keys\": \"$work/secrets/issuer-keys.json\", \"scopes\": $3"
}

# Any status is an answer; what is asked here is not counted: logs are emptied when the program starts.
answers() { plain_curl "$1" "$2" >/dev/null; }

# plain_curl HOST PORT [OPTION...]: without the supervisor; prints the status.
plain_curl() {
  curl -sS -o /dev/null -w '%{http_code}' --noproxy '*' --cacert "$work/ca.pem" --resolve "$1:$2:$address" "${@:3}" "https://$1:$2/"
}

register_sandbox() {
  say "importing the profile with the token grant, and a sandbox that has a provider of it"
  sed -e "s|@ISSUER@|$issuer|g" -e "s|@DOMAIN@|$domain|" "$here/profile.json" >"$work/profile.json"
  sed -e "s|@ADDRESS@|$address|" -e "s|@DOMAIN@|$domain|" "$here/policy.yaml" >"$work/policy.yaml"
  quietly "$work/profile.log" operator profile import "$work/profile.json"
  quietly "$work/provider.log" operator provider create services demo-services
  quietly "$work/sandbox.log" operator sandbox create demo --policy "$work/policy.yaml" --provider demo-services \
    --token-out "$work/token/sandbox.jwt"
}

run_demo() {
  local name
  for name in login alpha beta; do : >"$work/secrets/$name.log"; done
  say "supervisor run: the demo program, inside"
  printf '\nInside the sandbox\n'
  # shellcheck disable=SC2034 # run_inside takes their names
  local arguments_inside=("https://$alpha:$alpha_port/" "https://$beta:$beta_port/" "$work/agent/api.sock" "$address" "$alpha_port")
  # shellcheck disable=SC2034
  local options_inside=(--host-alias "$login=$address" --host-alias "$alpha=$address" --host-alias "$beta=$address"
    --grant-range "$address/32" --spiffe-id "$workload")
  export OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET=$work/agent/api.sock
  run_inside "$here/inside.sh" arguments_inside options_inside
}

show_what_left() {
  printf '\nWhat the servers saw\n'
  check "the issuer gave $workload a token for alpha" logged login '"status": 200' "\"client\": \"$workload\"" '"aud": "alpha", "scope": "read"'
  check "the issuer gave $workload another one for beta, with beta's scopes" logged login '"status": 200' "\"client\": \"$workload\"" \
    '"aud": "beta", "scope": "orders:read orders:write"'
  check "each was asked for once, whatever the number of requests" test "$(wc -l <"$work/secrets/login.log")" == 2
  check "alpha's log names $workload" logged alpha '"status": 200' "\"caller\": \"$workload\"" '"aud": "alpha"'
  check "beta's log names $workload" logged beta '"status": 200' "\"caller\": \"$workload\"" '"aud": "beta"'
  tail -n 1 "$work/secrets/beta.log" | sed 's/^/      /'

  printf '\nWhere proofs and tokens are not\n'
  check "the issuer has seen proofs and given tokens to look for" test "$(sort -u "$work/secrets/tokens" | wc -l)" -ge 3
  check "none is in what the program saw: its environment, its processes, its files, curl's own report" unseen "$work/inside.out"
  check "none is in the audit log or the supervisor's log" unseen "$work/audit/audit.jsonl" "$work/audit/supervisor.log"
  check "none is in the gateway's log, audit log or database" unseen "$work/gateway.log" "$work/state/audit.jsonl" "$work/state/gateway.db"
  check "none is in the servers' logs" unseen "$work/secrets/login.log" "$work/secrets/alpha.log" "$work/secrets/beta.log"
  check "the audit log tells of each request and whose grant it used" grep -q '"class_uid":4002.*demo-services' "$work/audit/audit.jsonl"
}

# logged NAME PART...: one line of that server's log has all parts.
logged() {
  local found part
  found=$(cat "$work/secrets/$1.log")
  for part in "${@:2}"; do found=$(grep -F -- "$part" <<<"$found") || return 1; done
}

# Neither a whole token nor its signature, which is what makes it worth something.
unseen() {
  sed 's/.*[ .]//' "$work/secrets/tokens" >"$work/secrets/signatures"
  ! grep -qFf "$work/secrets/signatures" -- "$@"
}

show_refusals_outside() {
  printf '\nOutside, without the supervisor\n'
  check "the same curl is refused by alpha (401)" test "$(plain_curl $alpha $alpha_port)" == 401
  check "a token for alpha is refused by beta (401)" test "$(bearer alpha | plain_curl $beta $beta_port --config -)" == 401
  check "a JWT-SVID is refused by alpha (401): it is for the issuer alone" test "$(bearer proof | plain_curl $alpha $alpha_port --config -)" == 401
  check "and the same token for alpha is accepted by alpha (200): that is what the program must not have" \
    test "$(bearer alpha | plain_curl $alpha $alpha_port --config -)" == 200
}

# bearer LABEL: curl's configuration with what the issuer has recorded under it, so that it is in no command line.
bearer() { awk -v label="$1" '$1 == label { printf "header = \"Authorization: Bearer %s\"\n", $2; exit }' "$work/secrets/tokens"; }

main "$@"
