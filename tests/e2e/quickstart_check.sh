#!/bin/bash
# The quickstart: it must work, tell what it shows, and leave nothing behind.
set -euo pipefail
# shellcheck source=tests/e2e/support/demo_twice.sh
source "$(dirname "$0")/support/demo_twice.sh"
demo_twice quickstart packaging/quickstart.sh "20 MiB up" "byte for byte the same" "past the proxy: no route" \
  "reading the token file: not there" "identity socket: not there" "does not name: 403" "refused by the server (403)" \
  "all as they should be"
