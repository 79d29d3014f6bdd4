#!/bin/bash
# Configures (once) and builds one kind of tree in build-KIND.
# usage: packaging/build.sh release|debug|asan|tsan|fuzz [NINJA-TARGET...]
#   release  the programs, static where they must run anywhere, warnings as errors
#   debug    everything with the tests
#   asan     everything with the tests, under the address and undefined-behaviour sanitizers (gcc 12 warns wrongly
#            in instrumented code, so warnings are errors in release only)
#   tsan     the same under the thread sanitizer
#   fuzz     the libFuzzer targets (clang 19)
set -euo pipefail
# shellcheck source=packaging/common.sh
source "$(dirname "$0")/common.sh"
use_ccache

kind=${1:-}
shift || true
export CC="ccache gcc" CXX="ccache g++" CC_LD=mold CXX_LD=mold
options=()
# gcc needs three times as long to optimize instrumented code; line tables are all that a report needs.
instrumented=(-Dbuildtype=plain -Doptimization=0 -Dcpp_args=-g1)
case $kind in
  release) options+=(-Dwerror=true -Dbuildtype=release -Doptimization=2 -Dtests=false) ;;
  debug) options+=(-Dbuildtype=debug -Doptimization=1) ;;
  asan) options+=("${instrumented[@]}" -Db_sanitize=address,undefined) ;;
  tsan) options+=("${instrumented[@]}" -Db_sanitize=thread "-Dcpp_args=-g1 -include $KEYWARD_ROOT/tests/support/tsan_layout.hpp") ;;
  fuzz)
    export CC="ccache clang-19" CXX="ccache clang++-19"
    options=(-Dbuildtype=plain -Doptimization=1 -Db_sanitize=address,undefined -Dtests=false
      -Dfuzz=true "-Dcpp_args=-g1 -fno-sanitize=function")
    ;;
  *) die "usage: packaging/build.sh release|debug|asan|tsan|fuzz [NINJA-TARGET...]" ;;
esac
[[ $kind == release ]] || options+=(-Db_lundef=false -Dstatic_programs=false)

cd "$KEYWARD_ROOT"
tree=build-$kind
if [[ ! -e $tree/build.ninja ]]; then
  rm -rf "$tree"
  quietly "$KEYWARD_CACHE/logs/setup-$kind.log" meson setup "$tree" "${options[@]}"
fi
if [[ $kind == fuzz && $# == 0 ]]; then
  mapfile -t targets < <(ninja -C "$tree" -t targets all | sed -n 's/^\(.*_fuzz\): cpp_LINKER.*/\1/p')
  [[ ${#targets[@]} -gt 0 ]] || exit 0
  set -- "${targets[@]}"
fi
quietly "$KEYWARD_ROOT/$tree/build.log" ninja -C "$tree" -j "${KEYWARD_JOBS:-$(nproc)}" "$@"
