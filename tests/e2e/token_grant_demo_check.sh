#!/bin/bash
# The demonstration of token grants: it must work, tell what it shows, and leave nothing behind.
set -euo pipefail
# shellcheck source=tests/e2e/support/demo_twice.sh
source "$(dirname "$0")/support/demo_twice.sh"
demo_twice token-grant examples/spiffe-token-grant/run.sh "curl alpha:" "curl beta:" "its scope does not (403)" \
  "own value is replaced" "agent's socket: not there" "tells of the agent: none" "past the proxy: no route" \
  "alpha's log names spiffe://" "beta's log names spiffe://" "refused by beta (401)" "all as they should be"
