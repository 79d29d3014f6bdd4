# The demo program: what an agent inside the sandbox would do, and what it may look for.
# Arguments: ALPHA-URL BETA-URL AGENT-SOCKET SERVERS-ADDRESS ALPHA-PORT
set -euo pipefail
alpha=$1 beta=$2 agent=$3 address=$4 port=$5
ok() { printf '  ok  %s\n' "$*"; }
wrong() {
  printf '  WRONG  %s\n' "$*"
  exit 1
}
# wants WHAT PART URL [OPTION...]: plain curl; its own report of what it sent and got is kept.
wants() {
  local what=$1 part=$2 answer
  shift 2
  answer=$(curl -sS -v "$@" 2>>/tmp/curl.report) || wrong "$what: curl ended with $?"
  grep -qF -- "$part" <<<"$answer" || wrong "$what: $answer"
  ok "$what"
  printf '      %s\n' "$answer"
}

cd /tmp
printf '      what the program sees: user %s, HTTPS_PROXY=%s, SPIFFE variables: %s\n' "$(id -u)" "$HTTPS_PROXY" "$(env | grep -ci spiffe || true)"
wants "curl alpha: it is answered as the sandbox's own identity" '"aud": "alpha", "scope": "read"' "$alpha"
wants "curl beta: another token, with beta's own scopes" '"aud": "beta", "scope": "orders:read orders:write"' "$beta"
wants "curl -d beta: its scopes allow writing" '"service": "beta", "caller": "spiffe://' "$beta" -d 'an order'
wants "curl -d alpha: its scope does not (403)" 'insufficient_scope' "$alpha" -d 'a change'
wants "curl -H Authorization: the program's own value is replaced" '"aud": "alpha"' "$alpha" -H 'Authorization: Bearer of-my-own'

printf '\nWhat it cannot find inside\n'
if /usr/bin/python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$agent" 2>/dev/null; then
  wrong "the agent's socket answers"
fi
ok "connecting to the agent's socket: not there"
[[ -z $(find / -path /proc -prune -o -path /sys -prune -o -type s -name "${agent##*/}" -print 2>/dev/null) ]] || wrong "a socket of that name is found"
ok "looking for it in the whole file system: not found"
if env | grep -Eqi 'spiffe|^OPENSHELL_'; then wrong "a variable tells of the agent"; fi
ok "a variable that tells of the agent: none"
if grep -qi authorization <(grep '^> ' /tmp/curl.report | grep -v of-my-own); then wrong "curl has sent a token"; fi
ok "a token in what curl sent: none"
if (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null; then wrong "a direct connection past the proxy worked"; fi
ok "a direct connection to alpha past the proxy: no route"

# What everything above left: whoever started this looks for tokens in it.
{
  cat /tmp/curl.report
  env
  cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' || true
  find /tmp /var/tmp /run /home /dev/shm -xdev -type f -size -1M -exec cat {} + 2>/dev/null || true
} | sed 's/^/KEPT /'
