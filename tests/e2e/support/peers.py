"""Independent clients and issuers: an OpenID Connect provider, and a gRPC client that shares nothing with ours."""
import base64
import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from e2e.support import tools
from e2e.support.machine import wait_until


class Issuer:
    """npm's oidc-provider; `seed` names its keys, which are new with each start."""

    def __init__(self, machine, port):
        self.machine, self.port, self.process = machine, port, None
        self.url = f"http://127.0.0.1:{port}"

    def start(self, seed):
        folder = tools.node_peers()
        self.process = self.machine.start("issuer", [tools.node(), "issuer.mjs", str(self.port), seed], cwd=folder)
        wait_until(self.answers, 30, "oidc-provider")
        return self

    def stop(self):
        self.machine.stop(self.process)

    def answers(self):
        try:
            with urllib.request.urlopen(self.url + "/.well-known/openid-configuration", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def token(self, client, algorithm="ES256", note=""):
        form = urllib.parse.urlencode({"grant_type": "client_credentials", "resource": f"urn:{algorithm}{note}",
                                       "scope": "config:read"}).encode()
        secret = base64.b64encode(f"{client}:secret-of-{client}".encode()).decode()
        request = urllib.request.Request(self.url + "/token", form, {"authorization": "Basic " + secret})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["access_token"]


def call(gateway, *calls, certificate=None, key=None):
    """Each call by grpc-js over its own connection: [{"code", "text", "answer"}]."""
    config = {"address": f"127.0.0.1:{gateway.port}", "ca": os.path.join(gateway.tls, "ca.crt"), "certificate": certificate,
              "key": key, "calls": list(calls)}
    done = subprocess.run([tools.node(), "call.mjs"], input=json.dumps(config), capture_output=True, text=True, timeout=120,
                          cwd=tools.node_peers())
    if done.returncode:
        raise RuntimeError(f"grpc-js: {done.stderr.strip()[-400:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def with_header(token, **members):
    """The same token with other members in its header: what its signature then is worth, the gateway says."""
    header, rest = token.split(".", 1)
    changed = {**json.loads(base64.urlsafe_b64decode(header + "==")), **members}
    return base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode() + "." + rest
