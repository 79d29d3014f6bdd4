"""A running sigv4-proxy on loopback, and clients that sign nothing."""
import os
import re
import socket
import subprocess
import tempfile

from e2e.support.machine import ROOT, wait_until
from e2e.support.s3_servers import REGION, Keys


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Proxy:
    PROGRAM = os.path.join(ROOT, "build-release/sigv4proxy/sigv4-proxy")
    count = 0

    def __init__(self, machine, forward_to, *options, keys=True, env=None, tls=False):
        Proxy.count += 1
        self.machine, self.tls = machine, tls
        self.port, self.utility_port = free_port(), free_port()
        self.name = f"sigv4-proxy-{Proxy.count}"
        if os.path.exists(machine.log(self.name)):
            os.remove(machine.log(self.name))
        variables = {"AWS_ACCESS_KEY_ID": Keys.access, "AWS_SECRET_ACCESS_KEY": Keys.secret} if keys else {}
        variables = {"HOME": machine.work, "AWS_EC2_METADATA_DISABLED": "true", **variables, **(env or {})}
        where = ["--forward-to", forward_to, "-s", "s3", "-r", REGION] if forward_to else ["--any-aws-host"]
        self.process = machine.start(self.name, [
            "env", "-i", *(f"{name}={value}" for name, value in variables.items()), self.PROGRAM, *where, "-l", f"127.0.0.1:{self.port}", "-u", str(self.utility_port), *options])

    def url(self, path):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}{path}"

    def utility(self, path):
        return f"http://127.0.0.1:{self.utility_port}{path}"

    def listens(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"sigv4-proxy ended: {self.log()[-2000:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.utility_port)) == 0

    def wait_listening(self):
        wait_until(self.listens, 20, "sigv4-proxy")
        return self

    def wait_ready(self):
        self.wait_listening()
        wait_until(lambda: curl(self.utility("/health")).status == 200, 20, "keys of sigv4-proxy")
        return self

    def log(self):
        with open(self.machine.log(self.name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def peak_rss(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) * 1024

    def stop(self):
        self.machine.stop(self.process)


class Done:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


def curl(url, *options, body=b""):
    """Debian's curl; the status is 0 where nothing was answered."""
    with tempfile.NamedTemporaryFile() as head:
        done = subprocess.run(["curl", "-sS", "--path-as-is", "-m", "120", "-D", head.name, *options, url], input=body, capture_output=True)
        headers = head.read().decode("latin-1")
    found = re.findall(r"^HTTP/[\d.]+ (\d+)", headers, re.M)
    return Done(int(found[-1]) if found else 0, headers, done.stdout)


def raw(port, request, after_continue=b"", finish=False):
    """The bytes that come back until the other side ends."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(request)
        if finish:
            client.shutdown(socket.SHUT_WR)
        if after_continue:
            while b"\r\n\r\n" not in answer:
                answer += client.recv(65536)
            client.sendall(after_continue)
        try:
            while got := client.recv(65536):
                answer += got
        except ConnectionResetError:
            pass
    return answer
