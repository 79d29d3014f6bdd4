#!/bin/bash
# Side by side in one run: TLS-intercepting proxies, CONNECT -> intercept -> TLS upstream (nginx, 1 KiB body).
# Peers come from Debian packages (mitmproxy, squid-openssl, nginx). Further rows, as arguments:
#   NAME=HOST:PORT   a proxy that already listens inside the network namespace kwhost
#   NAME=@COMMAND    a sandbox: COMMAND runs its further arguments inside it with HTTPS_PROXY set and their output passed through
# The upstream is 10.99.0.2:443 by the name up.test, its CA is $W/ca.pem; a sandbox's policy must allow that private address.
# Needs connectload built as $LOAD. Works in $W (default: a new temporary folder), in two namespaces that it makes itself.
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
LOAD=${LOAD:?path of connectload}; W=${W:-$(mktemp -d)}; D=${D:-6}; C=${C:-16}
mkdir -p "$W"; cd "$W" || exit 1
# Everything that this run starts lives in its two namespaces, so that is where it is ended.
cleanup() {
  local p
  for p in $(ip netns pids kwhost) $(ip netns pids kwup); do kill "$p" 2>/dev/null; done
  ip netns del kwhost; ip netns del kwup
}
certs() {
  [[ -f ca.pem ]] && return
  openssl ecparam -genkey -name prime256v1 -noout -out ca.key; openssl req -x509 -new -key ca.key -subj "/CN=bench CA" -days 30 -out ca.pem
  openssl ecparam -genkey -name prime256v1 -noout -out up.key; openssl req -new -key up.key -subj "/CN=up.test" -out up.csr
  printf 'subjectAltName=DNS:up.test\n' >ext; openssl x509 -req -in up.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out up.pem
} 2>/dev/null
namespaces() {
  if ip netns list | grep -qE 'kwup|kwhost'; then echo "another run has these namespaces: kwup, kwhost" >&2; exit 1; fi
  trap cleanup EXIT
  ip netns add kwup; ip netns add kwhost; ip -n kwup link set lo up; ip -n kwhost link set lo up
  ip link add vup netns kwup type veth peer name vhost netns kwhost
  ip -n kwup addr add 10.99.0.2/24 dev vup; ip -n kwhost addr add 10.99.0.1/24 dev vhost; ip -n kwup link set vup up; ip -n kwhost link set vhost up
}
upstream() {
  local body; body=$(head -c 1024 /dev/zero | tr '\0' x)
  cat >up.conf <<CONF
daemon off; worker_processes 1; pid $W/up.pid; error_log $W/up.err warn; events { worker_connections 4096; multi_accept on; }
http { access_log off; tcp_nodelay on; keepalive_timeout 1000s; keepalive_requests 1000000;
 server { listen 443 ssl; ssl_certificate $W/up.pem; ssl_certificate_key $W/up.key; ssl_protocols TLSv1.3; ssl_session_cache shared:S:1m; location / { return 200 "$body"; } } }
CONF
  ip netns exec kwup nginx -c "$W/up.conf" >>"$W/peers.log" 2>&1 &
}
inside() { "$W/inside_sh" "$@"; }
cat >"$W/inside_sh" <<CONF
#!/bin/sh
exec ip netns exec kwhost unshare -m --propagation private sh -c 'mount --bind $W/hosts /etc/hosts; exec "\$@"' sh "\$@"
CONF
chmod +x "$W/inside_sh"; PATH=$W:$PATH
nginx_peer() {  # the limit: TLS -> TLS reverse proxy, no policy
  cat >rev.conf <<CONF
daemon off; worker_processes 2; pid $W/rev.pid; error_log $W/rev.err warn; events { worker_connections 4096; multi_accept on; }
http { access_log off; tcp_nodelay on; keepalive_timeout 1000s; keepalive_requests 1000000; upstream u { server 10.99.0.2:443; keepalive 256; keepalive_requests 1000000; }
 server { listen 127.0.0.1:9443 ssl; ssl_certificate $W/up.pem; ssl_certificate_key $W/up.key; ssl_protocols TLSv1.3; ssl_session_cache shared:S:1m;
  location / { proxy_ssl_protocols TLSv1.3; proxy_pass https://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host up.test; proxy_ssl_server_name on; proxy_ssl_name up.test;
   proxy_ssl_trusted_certificate $W/ca.pem; proxy_ssl_verify on; } } }
CONF
  inside nginx -c "$W/rev.conf" >>"$W/peers.log" 2>&1 &
}
squid_peer() {
  mkdir -p sq; cat ca.pem ca.key >sq/ca.both; rm -rf sq/db; /usr/lib/squid/security_file_certgen -c -s "$W/sq/db" -M 4MB >/dev/null
  cat >sq.conf <<CONF
http_port 127.0.0.1:9128 ssl-bump generate-host-certificates=on dynamic_cert_mem_cache_size=4MB tls-cert=$W/sq/ca.both
sslcrtd_program /usr/lib/squid/security_file_certgen -s $W/sq/db -M 4MB
acl s1 at_step SslBump1
ssl_bump peek s1
ssl_bump bump all
tls_outgoing_options cafile=$W/ca.pem
http_access allow all
cache deny all
access_log none
cache_log $W/sq/cache.log
pid_filename $W/sq/pid
coredump_dir $W/sq
shutdown_lifetime 1 seconds
CONF
  chown -R proxy "$W/sq"; chmod 755 "$W"; inside squid -N -f "$W/sq.conf" >>"$W/peers.log" 2>&1 &
}
mitm_peer() { inside mitmdump -q -p 9080 --listen-host 127.0.0.1 --set confdir="$W/mitm" --set ssl_verify_upstream_trusted_ca="$W/ca.pem" >>"$W/peers.log" 2>&1 & }
others() { ip netns pids kwhost | paste -sd,; }
row() { # NAME EXCLUDED-PIDS LOAD-ARGS...: the load twice, kept-alive and with a new connection for each request
  local name=$1 excluded=$2 keep fresh; shift 2
  local load=("${RUNNER[@]}" "$LOAD" "$@" -warm 0 -sni up.test -d "$D")
  keep=$("$HERE/sample.py" kwhost "$excluded" -- inside_sh "${load[@]}" -c "$C"); fresh=$("$HERE/sample.py" kwhost "$excluded" -- inside_sh "${load[@]}" -c 8 -fresh)
  python3 - "$name" "$keep" "$fresh" <<'PY'
import json, sys
name, keep, fresh = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
def part(label, run):
    out = run["out"] if isinstance(run["out"], dict) else {}
    n = out.get("requests", 0)
    return (f"{label} {out.get('rate', 0):8.0f}/s {run['cpu_us'] / n if n else float('nan'):8.1f} CPU-us p50 {out.get('p50_us', -1):6} us "
            f"p99 {out.get('p99_us', -1):7} us errors {sum(out.get('errors', {'no output': 1}).values())}")
print(f"{name:12} {part('keep-alive', keep)} | {part('new connection', fresh)} | peak RSS {max(keep['rss_mb'], fresh['rss_mb'])} MB")
PY
}
except_port() { # every process of the namespace but those that listen on the port: what a peer's row must not be charged for
  local mine; mine=" $(ip netns exec kwhost ss -Hltnp "sport = :$1" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u | tr '\n' ' ')"
  for p in $(ip netns pids kwhost); do [[ $mine == *" $p "* ]] || echo "$p"; done | paste -sd,
}
RUNNER=(); certs; namespaces; cp /etc/hosts hosts; echo '10.99.0.2 up.test' >>hosts; upstream; nginx_peer; squid_peer; mitm_peer; sleep 6
row direct "$(others)" -target 10.99.0.2:443
row nginx "$(except_port 9443)" -target 127.0.0.1:9443
row squid "$(except_port 9128)" -proxy 127.0.0.1:9128 -target up.test:443
row mitmproxy "$(except_port 9080)" -proxy 127.0.0.1:9080 -target up.test:443
for extra in "$@"; do
  name=${extra%%=*} how=${extra#*=} RUNNER=()
  if [[ $how == @* ]]; then read -ra RUNNER <<<"${how#@}"; row "$name" "$(others)" -proxy env -target up.test:443
  else row "$name" "$(except_port "${how##*:}")" -proxy "$how" -target up.test:443; fi
done
