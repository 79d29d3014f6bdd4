"""kube-apiserver and the etcd that it keeps its state in, both on loopback: one namespace for sandboxes, one for gateways."""
import json
import os
import secrets
import ssl
import urllib.error
import urllib.request

from e2e.support import tools
from e2e.support.cluster import gateway_options
from e2e.support.machine import wait_until
from e2e.support.pki import openssl

ISSUER = "https://kubernetes.default.svc.cluster.local"
BOXES, OPENSHELL = "boxes", "openshell"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
# What the account of a gateway may do beyond what every ServiceAccount may.
ACCOUNTS = {"gateway": ["pods"], "reviewer": ["pods", "tokenreviews"], "powerless": []}


class ApiServer:
    """Ports: `port` for the API, the two after it for etcd."""

    def __init__(self, machine, pki, port):
        self.machine, self.pki, self.port, self.url = machine, pki, port, f"https://127.0.0.1:{port}"
        self.context = ssl.create_default_context(cafile=pki.ca)
        self.certificate, self.key = pki.issue("127.0.0.1")
        self.admin = secrets.token_hex(16)
        self.folder = machine.folder("apiserver", 0o700)
        self.tokens = machine.write("apiserver/tokens.csv", f"{self.admin},admin,admin,system:masters\n")
        self.policy = machine.write("apiserver/audit.yaml", json.dumps({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [{"level": "Metadata"}]}))
        self.audit = os.path.join(self.folder, "audit.jsonl")
        self.signing_keys, self.process = [], None
        self.add_key("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        self._start_etcd()
        self.start()
        self._prepare()

    def _start_etcd(self):
        client, peer = (f"http://127.0.0.1:{self.port + n}" for n in (1, 2))
        self.etcd = client
        self.machine.start("etcd", [
            tools.debian("etcd", "etcd-server"), "--data-dir", os.path.join(self.folder, "etcd"), "--listen-client-urls", client,
            "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"default={peer}"])

    def add_key(self, *openssl_arguments):
        """A key that signs ServiceAccounts' tokens from the next start on; earlier ones still verify."""
        path = os.path.join(self.folder, f"accounts-{len(self.signing_keys)}.key")
        openssl(*openssl_arguments, "-out", path)
        self.signing_keys.append(path)

    def start(self):
        command = [tools.kube_apiserver(), "--etcd-servers", self.etcd, "--bind-address=127.0.0.1", f"--secure-port={self.port}",
                   "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/24", "--authorization-mode=RBAC",
                   "--tls-cert-file", self.certificate, "--tls-private-key-file", self.key, "--cert-dir", self.folder,
                   "--token-auth-file", self.tokens, "--audit-policy-file", self.policy, "--audit-log-path", self.audit,
                   "--service-account-issuer", ISSUER, "--service-account-signing-key-file", self.signing_keys[-1]]
        for path in self.signing_keys:
            command += ["--service-account-key-file", path]
        self.process = self.machine.start("apiserver", command)
        wait_until(lambda: self.is_ready() or self.process.poll() is not None, 120, "kube-apiserver")
        if self.process.poll() is not None:
            raise RuntimeError(f"kube-apiserver ended with {self.process.returncode}; see {self.machine.log('apiserver')}")

    def stop(self):
        self.machine.stop(self.process, patience=10)

    def is_ready(self):
        try:
            return self._open("GET", "/readyz") == b"ok"
        except OSError:
            return False

    def ask(self, method, path, body=None):
        """As the cluster's administrator."""
        try:
            return json.loads(self._open(method, path, body))
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"kube-apiserver: {method} {path}: {error.code} {error.read()[:300]}") from error

    def _open(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"authorization": f"Bearer {self.admin}", "content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10, context=self.context) as answer:
            return answer.read()

    def _prepare(self):
        for namespace, accounts in ((BOXES, ["sandbox", "default"]), (OPENSHELL, ACCOUNTS), ("elsewhere", ["sandbox"])):
            self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
            for account in accounts:
                self.ask("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": account}})
        in_boxes = f"{RBAC}/namespaces/{BOXES}"
        self.ask("POST", f"{in_boxes}/roles", role("pods", "", "get"))
        self.ask("POST", f"{in_boxes}/rolebindings", binding("Role", "pods"))
        self.ask("POST", f"{RBAC}/clusterroles", role("tokenreviews", "authentication.k8s.io", "create"))
        self.ask("POST", f"{RBAC}/clusterrolebindings", binding("ClusterRole", "tokenreviews"))

    def pod(self, name, sandbox, namespace=BOXES):
        """No node takes it: that it is there is all that counts."""
        annotations = {"openshell.io/sandbox-id": sandbox} if sandbox else {}
        return self.ask("POST", f"/api/v1/namespaces/{namespace}/pods", {
            "metadata": {"name": name, "annotations": annotations},
            "spec": {"serviceAccountName": "sandbox", "containers": [{"name": "main", "image": "none"}]}})["metadata"]["uid"]

    def delete(self, pod):
        self.ask("DELETE", f"/api/v1/namespaces/{BOXES}/pods/{pod}?gracePeriodSeconds=0")

    def token(self, pod, audience="openshell-gateway", namespace=BOXES):
        return self._request_token(f"{namespace}/serviceaccounts/sandbox", audiences=[audience],
                                   boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": pod})

    def unbound_token(self, account):
        """For the gateway's audience, and of no pod."""
        return self._request_token(f"{BOXES}/serviceaccounts/{account}", audiences=["openshell-gateway"])

    def _request_token(self, account, **spec):
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600, **spec}}
        return self.ask("POST", f"/api/v1/namespaces/{account}/token", request)["status"]["token"]

    def options(self, account):
        """Of a gateway that is this account of ACCOUNTS."""
        token = self._request_token(f"{OPENSHELL}/serviceaccounts/{account}")
        return gateway_options(self.url, self.pki, self.machine.write(f"secrets/account-{account}", token))

    def asked_by(self, account):
        """{(verb, resource or path, status)} of all that it has asked, as the audit log has it."""
        user, asked = f"system:serviceaccount:{OPENSHELL}:{account}", set()
        with open(self.audit, encoding="utf-8") as log:
            for event in map(json.loads, log):
                if event["user"]["username"] == user:
                    what = event["objectRef"]["resource"] if "objectRef" in event else event["requestURI"]
                    asked.add((event["verb"], what, event["responseStatus"]["code"]))
        return asked


def role(resource, group, verb):
    return {"metadata": {"name": resource}, "rules": [{"apiGroups": [group], "resources": [resource], "verbs": [verb]}]}


def binding(kind, resource):
    """The role that is named like the resource, for the accounts that may have it."""
    subjects = [{"kind": "ServiceAccount", "name": account, "namespace": OPENSHELL}
                for account, resources in ACCOUNTS.items() if resource in resources]
    return {"metadata": {"name": resource}, "subjects": subjects,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": resource}}
