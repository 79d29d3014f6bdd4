#!/bin/bash
# The quickstart twice in a row: it must work, tell what it shows, and leave nothing behind.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
exec 9>/run/lock/keyward-e2e.lock
flock 9 # two sandboxes at once would meet in the default uid
left() { ip netns list | grep -c '^keyward-quickstart-' || true; }
before=$(left)
for run in first second; do
  echo "== the $run run"
  out=$(packaging/quickstart.sh --no-build 2>&1) || { echo "$out" && exit 1; }
  echo "$out"
  for line in "20 MiB up" "byte for byte the same" "past the proxy: no route" "reading the token file: not there" \
    "identity socket: not there" "does not name: 403" "refused by the server (403)" "all as they should be"; do
    grep -qF "$line" <<<"$out" || { echo "the transcript lacks: $line" && exit 1; }
  done
done
[[ $(left) == "$before" ]] || { echo "a network namespace was left behind" && exit 1; }
compgen -G '/var/tmp/keyward-quickstart.*' && { echo "a work folder was left behind" && exit 1; }
exit 0
