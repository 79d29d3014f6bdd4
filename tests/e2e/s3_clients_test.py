"""Each S3 client does the same work, judged by versitygw: from inside a sandbox, with placeholder keys, and through sigv4-proxy."""
import re

from e2e.suite import Case
from e2e.support.s3_clients import CLIENTS
from e2e.support.s3_scenario import by_name
from e2e.support.s3_servers import Keys
from e2e.support.sigv4_proxy import Proxy
from e2e.support.world import BUCKET

CHUNKS, TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class Clients(Case):
    def judged(self, prefix, jobs, done):
        """Checks everything that the client did, and returns the payload modes of its uploads."""
        self.world.scenario.check(self, prefix, by_name(jobs, done))
        heads = [head for head in self.world.judge.heads() if prefix in head["target"]]
        self.assertGreater(len(heads), len(jobs))
        for head in heads:
            self.assertIn(f"Credential={Keys.access}/", head["authorization"])
        return {head["x-amz-content-sha256"] for head in heads if head["method"] == "PUT"}


class SandboxedTest(Clients):
    """The client is the sandboxed program: it has the sandbox's placeholder, and no way but the proxy."""

    def work(self, name):
        judge, prefix = self.world.judge, f"inside-{name}"
        client = CLIENTS[name](self.world.machine)
        sandbox = self.world.local_for(judge, label=prefix)
        jobs = self.world.scenario.jobs(client, prefix + "/")
        command = client.command(f"https://{judge.name}:{judge.port}", BUCKET, list(jobs.values()))
        done = sandbox.run("/bin/sh", "-c", 'echo "$AWS_ACCESS_KEY_ID" >&2; exec "$@"', "sh", *command, options=client.options(), timeout=400)
        modes = self.judged(prefix + "/", jobs, done)
        placeholder = re.search(r"^AKIA\w{16}$", done.stderr, re.M).group(0)
        self.assertNotIn(placeholder, str(judge.heads()))
        return modes

    def test_boto3(self):
        self.assertIn(TRAILER, self.work("boto3"))

    def test_sdk_js(self):
        self.assertIn(TRAILER, self.work("sdk_js"))

    def test_minio_js(self):
        self.assertIn("UNSIGNED-PAYLOAD", self.work("minio_js"))

    def test_minio_go(self):
        self.work("minio_go")

    def test_minio_go_trailers(self):
        self.assertIn(TRAILER, self.work("minio_go_trailers"))

    def test_aws_cli(self):
        self.work("aws_cli")

    def test_rclone(self):
        self.assertIn("UNSIGNED-PAYLOAD", self.work("rclone"))

    def test_s3cmd(self):
        self.work("s3cmd")

    def test_curl(self):
        self.work("curl")
