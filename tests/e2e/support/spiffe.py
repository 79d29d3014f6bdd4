"""A SPIFFE agent (tests/peers/spiffe), our libraries as its client (tests/probe), and a token endpoint that answers as it is told."""
import json
import os
import socket
import ssl
import threading
import time
import unittest

from e2e.support import tools
from e2e.support.machine import ROOT
from e2e.support.talker import LineTalker

PROBE = os.path.join(ROOT, "build-asan/tests/probe/identity_probe")
DOMAIN = "example.org"
ID = f"spiffe://{DOMAIN}/sandbox/a"


class Agent(LineTalker):
    """Knows one identity until it is told otherwise."""

    def __init__(self, machine, label="spiffe-agent"):
        self.path = os.path.join(machine.folder(label, 0o700), "agent.sock")
        super().__init__(machine, label, [tools.spiffe_peer(), self.path, DOMAIN])
        self.line()
        self.say(do="entries", entries=[{"id": ID}])

    def seen(self):
        return self.say(do="seen")


class Probe(LineTalker):
    def __init__(self, machine, label, env=None, **config):
        if not os.path.exists(PROBE):
            raise unittest.SkipTest(f"{PROBE} was not built")
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
                       "LSAN_OPTIONS": f"suppressions={ROOT}/tests/support/leaks_of_grpc.txt:print_suppressions=0", **(env or {})}
        super().__init__(machine, label, [PROBE], env=environment)
        self.errors_before = os.path.getsize(self.log)
        self.ask(**{"id": ID, **config})

    def ask(self, **order):
        """Not `say`: that a thing fails is an answer here."""
        self.process.stdin.write(json.dumps(order) + "\n")
        return self.line(60)

    def end(self):
        """Ends it in order, and gives what it wrote to stderr meanwhile."""
        self.process.stdin.close()
        status = self.process.wait(30)
        self.close_quietly()
        with open(self.log, encoding="utf-8", errors="replace") as log:
            log.seek(self.errors_before)
            return status, log.read()

    def close_quietly(self):
        self.machine.stop(self.process)
        self.process.stdout.close()


class Script:
    """One answer of the endpoint: raw bytes, or what to do instead."""

    def __init__(self, body=b"", status="200 OK", content_type="application/json", headers=(), raw=None, hang=0.0, drip=0.0):
        self.drip, self.hang = drip, hang
        body = body if isinstance(body, bytes) else body.encode()
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *([f"Content-Type: {content_type}"] if content_type else []), *headers]
        self.bytes = raw if raw is not None else "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Endpoint:
    """A token endpoint on loopback; `script` may be replaced at any time.  With `clients`, authorities in PEM, a certificate of theirs is
    demanded, and `certificates` has those that came."""

    def __init__(self, script, certificate=None, clients=None):
        self.script, self.requests, self.connections = script, [], 0
        self.context, self.certificates, self.refused = None, [], 0
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        if clients:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(cadata=clients)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.closed = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, path="/token", host="127.0.0.1"):
        return f"{'https' if self.context else 'http'}://{host}:{self.port}{path}"

    def accept(self):
        while not self.closed.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            connection.settimeout(20)
            if self.context:
                connection = self.secured(connection)
            with connection:
                self.requests.append(self.read(connection))
                self.answer(connection, self.script(self.requests[-1]) if callable(self.script) else self.script)
        except OSError:
            pass

    def secured(self, connection):
        with connection.dup() as raw:
            try:
                connection = self.context.wrap_socket(connection, server_side=True)
            except ssl.SSLError:
                self.refused += 1
                while raw.recv(65536):  # closed with something unread, it would be reset, and the alert lost
                    continue
                raise
        self.certificates.append(connection.getpeercert())
        return connection

    def read(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return data.decode()
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        while len(body) < length:
            body += connection.recv(65536)
        return (head + b"\r\n\r\n" + body).decode()

    def answer(self, connection, script):
        if script.hang:
            self.closed.wait(script.hang)
            return
        if not script.drip:
            connection.sendall(script.bytes)
            return
        for byte in script.bytes:
            connection.sendall(bytes([byte]))
            if self.closed.wait(script.drip):
                return

    def close(self):
        self.closed.set()
        self.listener.close()


def until(probe, seconds, ready, **order):
    """Asks again until the answer is as wanted."""
    end = time.monotonic() + seconds
    answer = probe.ask(**order)
    while not ready(answer):
        if time.monotonic() > end:
            raise TimeoutError(f"{order}: still {answer}")
        time.sleep(0.1)
        answer = probe.ask(**order)
    return answer
