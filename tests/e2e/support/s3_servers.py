"""Real S3 servers that verify signatures, in the servers' namespace."""
import base64
import json
import os
import secrets

from e2e.support import tools
from e2e.support.machine import wait_until

REGION = "us-east-1"


class Keys:
    """The real keys, new in each run: never in a sandbox, so the canaries of the tests."""
    access = "AKIA" + secrets.token_hex(8).upper()
    secret = secrets.token_urlsafe(30)


class SeaweedFs:
    """Serves https clients; stores `a//b` as `a/b` and does not check body hashes: prove neither on it."""
    name, port = "s3.keyward.test", 8333

    def __init__(self, machine, pki):
        certificate, key = pki.issue(self.name)
        config = machine.write("secrets/s3.json", json.dumps({"identities": [
            {"name": "owner", "credentials": [{"accessKey": Keys.access, "secretKey": Keys.secret}],
             "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}))
        data, there = machine.folder("seaweedfs"), machine.network().there
        self.machine = machine
        # Its sockets lie in /tmp under fixed names: a /tmp of its own keeps two runs apart (`ip netns exec` has its own mounts).
        self.process = machine.start("seaweedfs", [
            "sh", "-c", 'mount -t tmpfs tmpfs /tmp && exec "$@"', "sh", tools.weed(), "server", f"-dir={data}", "-s3", f"-s3.config={config}", f"-ip={there}", f"-ip.bind={there}",
            f"-s3.port={self.port}", f"-s3.cert.file={certificate}", f"-s3.key.file={key}", "-master.telemetry=false",
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=200", "-master.volumeSizeLimitMB=64"], inside=True)
        wait_until(lambda: machine.network().listens(self.port), 60, "seaweedfs")


class SeaweedSts:
    """SeaweedFS with an STS of its own: whoever proves by a JWT of the issuer that it is anybody gets keys that the same server takes."""
    role = "arn:aws:iam::role/Agent"

    def __init__(self, machine, pki, issuer, audience, label="weed-sts", number=0):
        """`number` keeps the ports of several apart."""
        self.name, self.port = f"{label}.keyward.test", 8433 + number
        certificate, key = pki.issue(self.name)
        allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*", "sts:ValidateSession"], "Resource": ["*"]}]}
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": "*"}, "Action": ["sts:AssumeRoleWithWebIdentity"]}]}
        owner = {"identities": [{"name": "owner", "credentials": [{"accessKey": Keys.access, "secretKey": Keys.secret}], "actions": ["Admin"]}]}
        config = machine.write(f"secrets/{label}.json", json.dumps({
            "sts": {"tokenDuration": "15m", "maxSessionLength": "12h", "issuer": "weed", "signingKey": base64.b64encode(secrets.token_bytes(32)).decode()},
            "providers": [{"name": "spiffe", "type": "oidc", "enabled": True, "config": {"issuer": issuer, "clientId": audience, "jwksUri": issuer + "/keys.json"}}],
            "policy": {"defaultEffect": "Deny", "storeType": "memory"}, "policies": [{"name": "All", "document": allow}],
            "roles": [{"roleName": "Agent", "roleArn": self.role, "trustPolicy": trust, "attachedPolicies": ["All"]}]}))
        data, there = machine.folder(label), machine.network().there
        self.process = machine.start(label, [
            "sh", "-c", 'mount -t tmpfs tmpfs /tmp && exec "$@"', "sh", tools.weed(), "server", f"-dir={data}", "-s3",
            f"-s3.config={machine.write(f'secrets/{label}-keys.json', json.dumps(owner))}", f"-s3.iam.config={config}", f"-ip={there}", f"-ip.bind={there}",
            f"-s3.port={self.port}", f"-s3.cert.file={certificate}", f"-s3.key.file={key}", f"-master.port={9433 + number}", f"-volume.port={8180 + number}", f"-filer.port={8988 + number}",
            "-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=20", "-master.volumeSizeLimitMB=64"], inside=True)
        wait_until(lambda: machine.network().listens(self.port), 60, label)


class Versity:
    """The strict judge of signatures, bodies, trailers and paths: versitygw, plain on one port, and over https on another
    through a recorder that writes down each request's head and changes nothing."""
    plain_name, name = "plain.keyward.test", "judge.keyward.test"
    plain_port, port = 7480, 7443

    def __init__(self, machine, pki):
        self.machine, self.data = machine, machine.folder("versitygw")
        self.log = os.path.join(machine.work, "heads.jsonl")
        there = machine.network().there
        machine.start("versitygw", [
            tools.versitygw(), "--access", Keys.access, "--secret", Keys.secret, "--region", REGION,
            "--port", f"{there}:{self.plain_port}", "posix", self.data], inside=True)
        certificate, key = pki.issue(self.name)
        machine.start("recorder", [
            tools.PYTHON, os.path.join(os.path.dirname(os.path.abspath(__file__)), "recorder.py"), there, str(self.port),
            certificate, key, str(self.plain_port), self.log], inside=True)
        for port in (self.plain_port, self.port):
            wait_until(lambda port=port: machine.network().listens(port), 30, "versitygw")

    def make_bucket(self, bucket):
        os.makedirs(os.path.join(self.data, bucket), exist_ok=True)

    def stored(self, bucket, key):
        """The object's bytes as they lie on the disk, or None."""
        try:
            with open(os.path.join(self.data, bucket, key), "rb") as file:
                return file.read()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def heads(self):
        """Heads that arrived over https, as {name: value} with method and target (as sent); newest last."""
        with open(self.log, encoding="utf-8") as file:
            return [{"method": record["method"], "target": record["target"], **dict(record["headers"])} for record in map(json.loads, file)]

    def requests(self, method, path):
        """Those for one path, percent-encoded as sent."""
        return [head for head in self.heads() if head["method"] == method and head["target"].split("?")[0] == path]
