#!/bin/bash
# The figures of Keyward beside those of its peers, in one run on one machine.  Compare ratios, not figures.
# usage: tests/bench/run.sh [start|memory|gateway|grants|intercept|signing...]       needs build-release, and packaging/deps.sh all
set -euo pipefail
# shellcheck source=packaging/common.sh
source "$(dirname "$0")/../../packaging/common.sh"
cd "$KEYWARD_ROOT"
need_root
supervisor=$KEYWARD_ROOT/build-release/supervisor/supervisor
[[ -x $supervisor ]] || die "build it first: packaging/build.sh release"

intercept() {
  local work
  work=$(mktemp -d /var/tmp/keyward-bench.XXXXXX)
  chmod 755 "$work"
  trap 'rm -rf "$work"' RETURN
  local tools=${KEYWARD_TOOLS:-$KEYWARD_ROOT/../shared/tools}
  [[ -d $tools/connectload ]] || die "no load generator: set KEYWARD_TOOLS to the folder with connectload and bench"
  say "building the load generator"
  (cd "$tools/connectload" && GOFLAGS=-buildvcs=false "$(go_program)" build -o "$work/connectload" .)
  mkdir -m 700 "$work/audit"
  cat >"$work/policy.yaml" <<POLICY
version: 1
network_policies:
  bench:
    endpoints:
      - { host: up.test, port: 443, protocol: rest, access: full, allowed_ips: [10.99.0.2/32] }
POLICY
  say "intercepting proxies side by side (about two minutes)"
  LOAD=$work/connectload W=$work/run "$tools/bench/intercept.sh" \
    "keyward=@$supervisor run --policy $work/policy.yaml --upstream-ca $work/run/ca.pem --audit-log $work/audit/log --"
}

gateway() {
  local work
  work=$(mktemp -d /var/tmp/keyward-bench.XXXXXX)
  trap 'rm -rf "$work"' RETURN
  say "the gateway: verifications beside OpenSSL's, durable refreshes"
  ninja -C build-release tests/bench/gateway_bench >/dev/null
  build-release/tests/bench/gateway_bench "$work/gateway.db"
}

grants() {
  say "requests with a token of a grant beside requests without one"
  ninja -C build-release tests/bench/grants_bench >/dev/null
  build-release/tests/bench/grants_bench | grep us
}

signing() {
  local tools=${KEYWARD_TOOLS:-$KEYWARD_ROOT/../shared/tools}
  [[ -e $tools/bench/sigv4.sh ]] || die "no tools: set KEYWARD_TOOLS to the folder with connectload and bench"
  say "signing proxies side by side, three times (about seven minutes)"
  /usr/bin/python3 tests/bench/signing_proxies.py "$tools"
}

go_program() { PYTHONPATH=$KEYWARD_ROOT/tests /usr/bin/python3 -c 'from e2e.support import tools; print(tools.go())'; }

parts=("$@")
[[ ${#parts[@]} -gt 0 ]] || parts=(start memory gateway grants intercept signing)
for part in "${parts[@]}"; do
  case $part in
    start) /usr/bin/python3 tests/bench/start_time.py ;;
    memory) /usr/bin/python3 tests/bench/memory.py ;;
    gateway) gateway ;;
    grants) grants ;;
    intercept) intercept ;;
    signing) signing ;;
    *) die "usage: tests/bench/run.sh [start|memory|gateway|grants|intercept|signing...]" ;;
  esac
done
