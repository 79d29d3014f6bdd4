#!/bin/bash
# Installs what the tests need, builds and runs them.
# usage: tests/run.sh [--all] [--list] [NAME...]
#   NAME    a group (unit, gates, fuzz, e2e, quickstart, ...) or a test: `unit.base`, `e2e.payload`;
#           every test whose name starts with it runs.  Without names: all of them.
#   --all   adds what takes long: the thread sanitizer, long fuzzing, soaks, benchmarks with their peers
#   --list  prints the tests' names (of what is built) and runs none
# Logs of failed tests lie in build-tests/.  The last line is `N passed, N failed`.
set -euo pipefail
# shellcheck source=packaging/common.sh
source "$(dirname "$0")/../packaging/common.sh"
cd "$KEYWARD_ROOT"

all=0 list=0 names=()
for argument in "$@"; do
  case $argument in
    --all) all=1 ;;
    --list) list=1 ;;
    -h | --help) sed -n '2,8s/^# \?//p' "$0"; exit 0 ;;
    -*) die "unknown option $argument (see --help)" ;;
    *) names+=("$argument") ;;
  esac
done

# wants GROUP...: is any of these groups asked for?
wants() {
  [[ ${#names[@]} == 0 ]] && return 0
  local group name
  for group in "$@"; do
    for name in "${names[@]}"; do [[ ${name%%.*} == "$group" ]] && return 0; done
  done
  return 1
}

# build KIND WHY: one tree; a failed build is told by the runner as a failed test, and nothing stops there.
built=()
build() {
  say "building build-$1: $2"
  if packaging/build.sh "$1"; then built+=("$1"); else say "build-$1 did not build"; fi
}

purpose=test
[[ $all == 1 ]] && purpose=all
say "looking for the Debian packages"
packaging/deps.sh $purpose
if [[ $list == 0 ]]; then
  if wants unit isolation escape netns gates; then build asan "the tests, under the address and undefined-behaviour sanitizers"; fi
  if wants e2e gates quickstart token-grant-demo bench; then build release "the programs"; fi
  if wants fuzz; then build fuzz "fuzz targets"; fi
  if [[ $all == 1 ]] && wants tsan; then build tsan "tests under the thread sanitizer"; fi
fi
say "running the tests"
export KEYWARD_BUILT="${built[*]:-}" KEYWARD_ALL=$all KEYWARD_LIST=$list KEYWARD_SECONDS=$SECONDS
exec /usr/bin/python3 tests/runner/main.py "${names[@]}"
