"""A gateway that accepts connections and answers nonsense: start-up fails with one line and in bounded time."""
import socket
import ssl
import subprocess
import threading

from e2e.suite import Case
from e2e.support.gateway_mode import worthless_token
from e2e.support.keyward import ENVIRONMENT, SUPERVISOR

ANSWERS = {
    "silence": b"",
    "http/1.1": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "noise": bytes(range(256)) * 64,
    "a settings frame and nothing more": b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "a frame of 16 MiB": b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"x" * 4096,
}


class Liar:
    """Listens on loopback with a certificate that the supervisor trusts."""

    def __init__(self, pki, answer):
        certificate, key = pki.issue("127.0.0.1")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.context.set_alpn_protocols(["h2"])
        self.listener, self.answer = socket.create_server(("127.0.0.1", 0)), answer
        self.port, self.open = self.listener.getsockname()[1], []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                raw, _ = self.listener.accept()
                connection = self.context.wrap_socket(raw, server_side=True)
                connection.sendall(self.answer)
                self.open.append(connection)  # stays open: the peer has to lose patience
            except ssl.SSLError:
                continue
            except OSError:
                return

    def close(self):
        self.listener.close()
        for connection in self.open:
            connection.close()


class LyingGatewayTest(Case):
    def start(self, liar):
        self.world.machine.folder("liar-token", 0o700)
        token = self.world.machine.write("liar-token/token", worthless_token())
        return subprocess.run([SUPERVISOR, "run", "--audit-log", "-", "--", "/bin/echo", "STARTED"], capture_output=True, text=True,
                              env={**ENVIRONMENT, "OPENSHELL_ENDPOINT": f"https://127.0.0.1:{liar.port}",
                                   "OPENSHELL_TLS_CA": self.world.pki.ca, "OPENSHELL_SANDBOX_TOKEN_FILE": token},
                              stdin=subprocess.DEVNULL, timeout=180)

    def test_nothing_is_started_whatever_it_answers(self):
        for name, answer in ANSWERS.items():
            with self.subTest(name):
                liar = Liar(self.world.pki, answer)
                try:
                    done = self.start(liar)
                finally:
                    liar.close()
                self.assertEqual(done.returncode, 125, f"{name}: {done.stdout}{done.stderr}")
                self.assertNotIn("STARTED", done.stdout)
