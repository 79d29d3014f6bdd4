"""TLS in front of a gateway: what it presents and whom it lets in is the test's, and it keeps the certificates that came."""
import asyncio
import contextlib
import os
import ssl
import threading


class Front:
    """On loopback.  `clients`, authorities in PEM: a certificate of theirs is demanded."""

    def __init__(self, gateway, certificate, clients=None):
        self.gateway, self.certificates, self.open = gateway, [], 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_alpn_protocols(["h2"])
        self.present(certificate)
        if clients:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.trust(clients)
        self.inside = ssl.create_default_context(cafile=os.path.join(gateway.tls, "ca.crt"))
        self.inside.set_alpn_protocols(["h2"])
        self.loop, self.port = asyncio.new_event_loop(), None
        self.loop.set_exception_handler(lambda *_: None)  # handshakes that fail are the client's to tell of
        started = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(started,), daemon=True)
        self.thread.start()
        started.wait(20)

    @property
    def endpoint(self):
        return f"https://127.0.0.1:{self.port}"

    def present(self, certificate):
        """(certificate, key), for connections from now on."""
        self.context.load_cert_chain(*certificate)

    def trust(self, clients):
        self.context.load_verify_locations(cadata=clients)

    def run(self, started):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=self.context))
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self.loop.run_forever()

    async def serve(self, reader, writer):
        self.certificates.append(writer.get_extra_info("peercert"))
        self.open += 1
        try:
            with contextlib.suppress(OSError):
                inner = await asyncio.open_connection("127.0.0.1", self.gateway.port, ssl=self.inside)
                await asyncio.gather(self.pass_on(reader, inner[1]), self.pass_on(inner[0], writer))
        finally:
            self.open -= 1

    @staticmethod
    async def pass_on(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    def ids(self):
        """The URIs of the certificates that came."""
        return [tuple(value for kind, value in (certificate or {}).get("subjectAltName", ()) if kind == "URI") for certificate in self.certificates]

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
