#!/usr/bin/env python3
"""The key services that AWS has beside a workload: an instance's metadata service, version 2 alone, and a container's credentials endpoint.

usage: metadata_server.py SETTINGS.json
  addresses, port   where it listens
  keys       [key id, secret] that it gives
  authorization     that a container must send
  session    token of the keys
  mood       file that is read for each request: {"life": seconds, "refuse": status}, both optional
One line of JSON per request on standard output.
"""
import http.server
import json
import secrets
import sys
import threading
import time

ROLE, INSTANCE, CONTAINER = "machine-role", "/latest/meta-data/iam/security-credentials/", "/container/keys"
with open(sys.argv[1], encoding="utf-8") as settings_file:
    SETTINGS = json.load(settings_file)
SESSION = secrets.token_urlsafe(30)


class Metadata(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        """(status, text)"""
        with open(SETTINGS["mood"], encoding="utf-8") as file:
            mood = json.load(file)
        if "refuse" in mood:
            return mood["refuse"], "as it was told to"
        if (self.command, self.path) == ("PUT", "/latest/api/token"):
            return (200, SESSION) if self.headers.get("x-aws-ec2-metadata-token-ttl-seconds") else (400, "")
        if self.command == "GET" and self.path.startswith(INSTANCE):
            if self.headers.get("x-aws-ec2-metadata-token") != SESSION:
                return 401, ""
            return {INSTANCE: (200, ROLE), INSTANCE + ROLE: (200, self.keys(mood, Code="Success", Type="AWS-HMAC"))}.get(self.path, (404, ""))
        if (self.command, self.path) == ("GET", CONTAINER):
            return (200, self.keys(mood)) if self.headers.get("authorization") == SETTINGS["authorization"] else (401, "")
        return 404, ""

    @staticmethod
    def keys(mood, **more):
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + mood.get("life", 3600)))
        return json.dumps({**more, "AccessKeyId": SETTINGS["keys"][0], "SecretAccessKey": SETTINGS["keys"][1], "Token": SETTINGS["session"], "Expiration": ends})

    def handle_any(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        status, text = self.answer()
        sys.stdout.write(json.dumps({"time": time.time(), "method": self.command, "path": self.path, "status": status}) + "\n")
        sys.stdout.flush()
        data = text.encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = handle_any

    def log_message(self, *_):
        """The line above is the log."""


for address in SETTINGS["addresses"][1:]:
    threading.Thread(target=http.server.ThreadingHTTPServer((address, SETTINGS["port"]), Metadata).serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer((SETTINGS["addresses"][0], SETTINGS["port"]), Metadata).serve_forever()
