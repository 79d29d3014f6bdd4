# shellcheck shell=bash
# What the scripts share: where kept files lie, how a step is announced, how the compiler is called.
# Sourced, never run.

KEYWARD_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
KEYWARD_CACHE=${KEYWARD_CACHE:-${HOME:-/root}/.cache/keyward}
# Debian's own programs come first: a version manager's shims would answer for python3 or aws.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export KEYWARD_ROOT KEYWARD_CACHE

say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# quietly LOG COMMAND...: the output goes to LOG and is shown only when the command fails.
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 && return
  printf 'failed: %s\n' "$*" >&2
  tail -n 60 "$log" >&2
  printf '(whole output: %s)\n' "$log" >&2
  return 1
}

need_root() {
  [[ $(id -u) == 0 ]] || die "run this as root: it makes network namespaces"
}

# One compiler cache for every build of this machine; it makes the second build a matter of seconds.
use_ccache() {
  export CCACHE_DIR=${CCACHE_DIR:-$KEYWARD_CACHE/ccache}
  export CCACHE_COMPRESS=1 CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$KEYWARD_ROOT
  export CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-4G}
}
