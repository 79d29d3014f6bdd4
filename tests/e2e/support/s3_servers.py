"""Real S3 servers that verify signatures, in the servers' namespace."""
import json
import os

from e2e.support import tools
from e2e.support.machine import wait_until

REGION = "us-east-1"


class Keys:
    """The real keys.  Never in a sandbox: the canary of the tests."""
    access = "AKIAREALKEYFORTESTS0"
    secret = "realsecretCANARY/doNotLeak+0123456789abc"


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
        self.process = machine.start("seaweedfs", [
            tools.weed(), "server", f"-dir={data}", "-s3", f"-s3.config={config}", f"-ip={there}", f"-ip.bind={there}",
            f"-s3.port={self.port}", f"-s3.cert.file={certificate}", f"-s3.key.file={key}", "-master.telemetry=false",
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=20", "-master.volumeSizeLimitMB=64"], inside=True)
        wait_until(lambda: machine.network().listens(self.port), 60, "seaweedfs")


class Versity:
    """The strict judge of signatures, bodies, trailers and paths."""

    def __init__(self, machine, pki, port, tls):
        self.machine, self.port, self.tls = machine, port, tls
        self.name = "judge.keyward.test" if tls else "plain.keyward.test"
        self.data = machine.folder(f"versity-{port}")
        self.access_log = machine.log(f"versity-{port}-access")
        command = [tools.versitygw(), "--access", Keys.access, "--secret", Keys.secret, "--region", REGION,
                   "--port", f"{machine.network().there}:{port}", "--access-log", self.access_log]
        if tls:
            certificate, key = pki.issue(self.name)
            command += ["--cert", certificate, "--key", key]
        self.process = machine.start(f"versity-{port}", command + ["posix", self.data], inside=True)
        wait_until(lambda: machine.network().listens(port), 30, "versitygw")

    def stored(self, bucket, key):
        """The object's bytes as they lie on the disk, or None."""
        try:
            with open(os.path.join(self.data, bucket, key), "rb") as file:
                return file.read()
        except (FileNotFoundError, IsADirectoryError):
            return None

    def make_bucket(self, bucket):
        os.makedirs(os.path.join(self.data, bucket), exist_ok=True)
