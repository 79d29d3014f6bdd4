# The demo program: what an agent inside the sandbox would do, and what it may try.
# Arguments: ENDPOINT S3-ADDRESS S3-PORT TOKEN-FILE OPERATOR-SOCKET
set -euo pipefail
endpoint=$1 address=$2 port=$3 token=$4 socket=$5
aws() { /usr/bin/aws --endpoint-url "$endpoint" "$@"; }
ok() { printf '  ok  %s\n' "$*"; }
wrong() {
  printf '  WRONG  %s\n' "$*"
  exit 1
}

printf '      what the program sees: user %s, AWS_ACCESS_KEY_ID=%s, HTTPS_PROXY=%s\n' "$(id -u)" "$AWS_ACCESS_KEY_ID" "$HTTPS_PROXY"
printf 'KEPT %s %s\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY"

cd /tmp
head -c $((20 << 20)) /dev/urandom >upload
aws s3 mb s3://quickstart >/dev/null && ok "aws s3 mb s3://quickstart"
aws s3 cp --no-progress upload s3://quickstart/file >/dev/null && ok "aws s3 cp: 20 MiB up, with placeholder keys"
aws s3 ls s3://quickstart/ | grep -q '20971520 file' && ok "aws s3 ls: file, 20971520 bytes"
aws s3 cp --no-progress s3://quickstart/file download >/dev/null && cmp upload download && ok "aws s3 cp: down again, byte for byte the same"

printf '\nRefused inside\n'
if (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null; then wrong "a direct connection past the proxy worked"; fi
ok "a direct connection to $address:$port past the proxy: no route"
if cat "$token" >/dev/null 2>&1; then wrong "the token file can be read"; fi
ok "reading the token file: not there"
if /usr/bin/python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$socket" 2>/dev/null; then
  wrong "the gateway's operator socket answers"
fi
ok "connecting to the identity socket: not there"
status=$(curl -s -o /dev/null -w '%{http_connect}' https://elsewhere.keyward.test/ || true)
[[ $status == 403 ]] || wrong "a host that the policy does not name was answered with $status"
ok "a host that the policy does not name: 403 from the proxy"
