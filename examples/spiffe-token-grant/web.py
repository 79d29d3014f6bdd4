"""An https server that answers with JSON and writes one line of JSON per request to its log."""
import http.server
import json
import ssl
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    """A program derives from it and gives `reply(method, form_or_body)`: (status, answer, what to log, header fields)."""
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        status, answer, record, fields = self.reply(self.command, body)
        line = {"time": time.strftime("%FT%TZ", time.gmtime()), "method": self.command, "path": self.path, "status": status, **record}
        sys.stdout.write(json.dumps(line) + "\n")  # at once: connections have threads of their own
        sys.stdout.flush()
        data = json.dumps(answer).encode() + b"\n"
        self.send_response(status)
        for name, value in {"content-type": "application/json", "cache-control": "no-store", "content-length": len(data), **fields}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = handle_any

    def log_message(self, *_):
        """The line above is the log."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, settings, handler):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(settings["certificate"], settings["key"])
        self.clients = settings.get("clients")
        super().__init__((settings["address"], settings["port"]), handler)

    def finish_request(self, request, client_address):
        """In the connection's thread, so that a handshake that hangs holds nobody up."""
        request.settimeout(30)
        if self.clients:  # read each time: authorities come and go
            self.context.load_verify_locations(self.clients)
            self.context.verify_mode = ssl.CERT_OPTIONAL
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request, client_address):
        print(f"a connection failed: {type(sys.exc_info()[1]).__name__}", file=sys.stderr)


def serve(settings, handler):
    """`settings`: address, port, certificate, key; optional: clients, a file with the authorities of clients' certificates, which are
    asked for then.  Until the process is ended."""
    Server(settings, handler).serve_forever()
