# shellcheck shell=bash
# Sourced: what holds of every demonstration.

# demo_twice NAME SCRIPT LINE...: twice in a row SCRIPT works, tells each LINE, and leaves nothing behind.  NAME is in the names of its
# namespaces (keyward-NAME-…) and work folders.
demo_twice() {
  local name=$1 script=$2 run out line before
  shift 2
  cd "$(dirname "${BASH_SOURCE[0]}")/../../.." || return 1
  export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
  exec 9>/run/lock/keyward-e2e.lock
  flock 9 # two sandboxes at once would meet in the default uid
  left() { ip netns list | grep -c "^keyward-$1-" || true; }
  before=$(left "$name")
  for run in first second; do
    echo "== the $run run"
    out=$("$script" --no-build 2>&1) || { echo "$out" && return 1; }
    echo "$out"
    for line in "$@"; do
      grep -qF "$line" <<<"$out" || { echo "the transcript lacks: $line" && return 1; }
    done
  done
  [[ $(left "$name") == "$before" ]] || { echo "a network namespace was left behind" && return 1; }
  if compgen -G "/var/tmp/keyward-$name.*"; then echo "a work folder was left behind" && return 1; fi
}
