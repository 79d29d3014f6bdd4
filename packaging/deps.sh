#!/bin/bash
# Installs the Debian 12 packages that one purpose needs; each purpose includes the ones before it.
# usage: packaging/deps.sh build|demo|test|all
# `demo` adds what the quickstart runs, `all` adds the peers of the benchmarks and of the long tests.
# Quiet and quick when everything is there already.
set -euo pipefail
# shellcheck source=packaging/common.sh
source "$(dirname "$0")/common.sh"

build=(
  meson ninja-build ccache mold g++ pkg-config python3 ca-certificates
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  libssl-dev libseccomp-dev libcap-dev libboost1.81-dev libnghttp2-dev libc-ares-dev
  nlohmann-json3-dev libyaml-cpp-dev libtomlplusplus-dev libcli11-dev libspdlog-dev libfmt-dev
  libexpected-dev libsqlite3-dev libpq-dev libpugixml-dev doctest-dev zlib1g-dev
)
demo=(awscli openssl curl iproute2 python3-venv python3-cryptography)
test=(
  clang-19 clang-tidy-19 clang-format-19 libclang-rt-19-dev
  python3-boto3 rclone s3cmd bubblewrap strace busybox-static util-linux procps nginx dnsmasq-base postgresql
)
peers=(squid-openssl mitmproxy wrk openjdk-17-jre-headless maven etcd-server)

case ${1:-} in
  build) wanted=("${build[@]}") ;;
  demo) wanted=("${build[@]}" "${demo[@]}") ;;
  test) wanted=("${build[@]}" "${demo[@]}" "${test[@]}") ;;
  all) wanted=("${build[@]}" "${demo[@]}" "${test[@]}" "${peers[@]}") ;;
  *) die "usage: packaging/deps.sh build|demo|test|all" ;;
esac

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[[ ${#missing[@]} == 0 ]] && exit 0

[[ $(id -u) == 0 ]] || die "these packages are missing: ${missing[*]}; install them, or run this as root"
say "installing ${#missing[@]} Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$KEYWARD_CACHE/logs/apt.log
quietly "$log" apt-get update -q
# Services that a package would start are not wanted: the tests start their own.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
quietly "$log" apt-get install -q -y --no-install-recommends "${missing[@]}"
