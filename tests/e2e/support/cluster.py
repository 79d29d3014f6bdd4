"""The part of a Kubernetes cluster that identity needs: tests/peers/kubernetes, and projected token files as a kubelet writes them."""
import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request

from e2e.support import tools
from e2e.support.machine import wait_until


class Cluster:
    def __init__(self, machine, pki, port, inside=False, is_issuer=False):
        """`inside`: in the servers' namespace.  `is_issuer`: its URL is its tokens' issuer, and its keys are for everybody."""
        address = machine.network().there if inside else "127.0.0.1"
        self.machine, self.pki, self.url = machine, pki, f"https://{address}:{port}"
        certificate, key = pki.issue(address)
        self.context = ssl.create_default_context(cafile=pki.ca)
        command = [tools.kubernetes_peer(), f"{address}:{port}", certificate, key, *([self.url] if is_issuer else [])]
        self.process = machine.start(f"kubernetes-{port}", command, inside=inside)
        wait_until(self.answers, 20, "the Kubernetes peer")
        self.gateway_token = machine.write(f"secrets/gateway-account-{port}", self.test("POST", "token", gateway=1))

    def answers(self):
        try:
            return bool(self.asked() is not None)
        except urllib.error.URLError:
            return False

    def test(self, method, what, **query):
        request = urllib.request.Request(f"{self.url}/test/{what}?{urllib.parse.urlencode(query)}", method=method)
        with urllib.request.urlopen(request, timeout=10, context=self.context) as answer:
            return answer.read().decode()

    def asked(self):
        return json.loads(self.test("GET", "asked"))

    def pod(self, name, sandbox):
        return self.test("PUT", f"pods/{name}", sandbox=sandbox)

    def delete(self, pod):
        self.test("DELETE", f"pods/{pod}")

    def token(self, pod, audience="openshell-gateway", seconds=3600):
        return self.test("POST", "token", pod=pod, audience=audience, seconds=seconds)

    def unbound_token(self, account):
        """For the gateway's audience, and of no pod."""
        return self.test("POST", "token", account=account, audience="openshell-gateway")

    def options(self):
        return gateway_options(self.url, self.pki, self.gateway_token)


def gateway_options(url, pki, token_file):
    return ["--kubernetes", "--kubernetes-url", url, "--kubernetes-ca", pki.ca, "--kubernetes-token-file", token_file,
            "--sandbox-namespace", "boxes", "--sandbox-service-account", "sandbox"]


class ProjectedToken:
    """A volume whose `..data` link is swapped for each new token, as the kubelet's atomic writer does."""

    def __init__(self, folder):
        self.folder, self.number = folder, 0
        self.path = os.path.join(folder, "token")
        os.symlink(os.path.join("..data", "token"), self.path)

    def put(self, token):
        self.number += 1
        version = f"..version-{self.number}"
        os.mkdir(os.path.join(self.folder, version), 0o755)
        with open(os.path.join(self.folder, version, "token"), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o640)
            file.write(token)
        link = os.path.join(self.folder, "..data_tmp")
        os.symlink(version, link)
        os.replace(link, os.path.join(self.folder, "..data"))
