#!/bin/bash
# The demonstration of token grants, twice in a row: it must work, tell what it shows, and leave nothing behind.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
exec 9>/run/lock/keyward-e2e.lock
flock 9 # two sandboxes at once would meet in the default uid
left() { ip netns list | grep -c '^keyward-token-grant-' || true; }
before=$(left)
for run in first second; do
  echo "== the $run run"
  out=$(examples/spiffe-token-grant/run.sh --no-build 2>&1) || { echo "$out" && exit 1; }
  echo "$out"
  for line in "curl alpha:" "curl beta:" "its scope does not (403)" "own value is replaced" "agent's socket: not there" \
    "tells of the agent: none" "past the proxy: no route" "alpha's log names spiffe://" "beta's log names spiffe://" \
    "refused by beta (401)" "all as they should be"; do
    grep -qF "$line" <<<"$out" || { echo "the transcript lacks: $line" && exit 1; }
  done
done
[[ $(left) == "$before" ]] || { echo "a network namespace was left behind" && exit 1; }
compgen -G '/var/tmp/keyward-token-grant.*' && { echo "a work folder was left behind" && exit 1; }
exit 0
