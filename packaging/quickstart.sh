#!/bin/bash
# Builds Keyward and shows its main job on this machine: the AWS CLI, holding only placeholder keys, works with a real S3
# server whose real keys never enter the sandbox.
# usage: packaging/quickstart.sh [--no-build]
# For a fresh Debian 12, as root.  Everything it starts is ended and every folder of the run removed; it can be run again.
set -euo pipefail
# shellcheck source=packaging/common.sh
source "$(dirname "$0")/common.sh"
# shellcheck source=packaging/demo.sh
source "$KEYWARD_ROOT/packaging/demo.sh"
# shellcheck source=packaging/s3_server.sh
source "$KEYWARD_ROOT/packaging/s3_server.sh"

real_access=AKIAQUICKSTART000000
port=8333 host=s3.keyward.test

main() {
  begin_demo quickstart "$@"
  install_seaweedfs
  real_secret=$(head -c 30 /dev/urandom | base64 | tr '+/' 'ab')

  start_s3_server
  start_gateway
  register_sandbox
  run_demo
  show_refusals_outside
  end_demo
}

register_sandbox() {
  say "registering the real keys with the gateway, and a sandbox that may use them"
  (umask 077 && printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$real_access" "$real_secret" \
    >"$work/secrets/aws")
  sed -e "s|@ADDRESS@|$address|" "$KEYWARD_ROOT/packaging/quickstart-policy.yaml" >"$work/policy.yaml"
  quietly "$work/provider.log" operator provider create aws demo-keys --from-file "$work/secrets/aws" \
    --bind "$host:$port"
  quietly "$work/sandbox.log" operator sandbox create demo --policy "$work/policy.yaml" --provider demo-keys \
    --token-out "$work/token/sandbox.jwt"
}

run_demo() {
  say "supervisor run: the demo program, inside"
  printf '\nInside the sandbox\n'
  # shellcheck disable=SC2034 # run_inside takes their names
  local arguments_inside=("https://$host:$port" "$address" "$port" "$work/token/sandbox.jwt" "$socket")
  # shellcheck disable=SC2034
  local options_inside=(--host-alias "$host=$address" --env AWS_DEFAULT_REGION=us-east-1)
  run_inside "$KEYWARD_ROOT/packaging/quickstart-inside.sh" arguments_inside options_inside
  read -r _ placeholder_access placeholder_secret < <(grep '^KEPT ' "$work/inside.out")

  printf '\nWhat left (the audit log)\n'
  check "each request was decided and signed on the way out" grep -q '"class_uid":4002' "$work/audit/audit.jsonl"
  check "the real secret is not in the audit log" not grep -qF "$real_secret" "$work/audit/audit.jsonl"
  check "the real secret was never seen inside" not grep -qF "$real_secret" "$work/inside.out"
  printf '      %s\n' "$(grep -m1 'sigv4' "$work/audit/audit.jsonl" | cut -c1-400)"
}

# The placeholder keys without the supervisor: the server does not know them.
show_refusals_outside() {
  printf '\nOutside, with the same placeholder keys and no supervisor\n'
  head -c 1000 /dev/zero >"$work/zeros"
  check "the upload is refused by the server (403)" placeholder_upload_is_refused
}

placeholder_upload_is_refused() {
  local out
  out=$(ip netns exec "$namespace" env -i PATH=/usr/bin:/bin HOME="$work" AWS_ACCESS_KEY_ID="$placeholder_access" \
    AWS_SECRET_ACCESS_KEY="$placeholder_secret" AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true \
    /usr/bin/aws --no-verify-ssl --endpoint-url "https://$address:$port" s3api put-object --bucket quickstart --key stolen \
    --body "$work/zeros" 2>&1) && return 1
  grep -qE '403|InvalidAccessKeyId|AccessDenied' <<<"$out"
}

main "$@"
