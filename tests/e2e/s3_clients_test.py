"""Each S3 client does the same work, judged by versitygw: from inside a sandbox, with placeholder keys, and through sigv4-proxy."""
import re

from e2e.suite import Case
from e2e.support.s3_clients import CLIENTS
from e2e.support.s3_scenario import by_name
from e2e.support.s3_servers import Keys
from e2e.support.sigv4_proxy import Proxy
from e2e.support.world import BUCKET

HASH, UNSIGNED, TRAILER = "[0-9a-f]{64}", "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
CHUNKS, CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"


class Clients(Case):
    def judged(self, prefix, jobs, done, mode):
        """Checks everything that the client did, and that its bodies were covered as they were meant to be."""
        self.world.scenario.check(self, prefix, by_name(jobs, done))
        heads = [head for head in self.world.judge.heads() if prefix in head["target"]]
        self.assertGreater(len(heads), len(jobs))
        for head in heads:
            self.assertIn(f"Credential={Keys.access}/", head["authorization"])
        modes = {head["x-amz-content-sha256"] for head in heads if head["method"] == "PUT"}
        self.assertTrue(any(re.fullmatch(mode, found) for found in modes), modes)


class SandboxedTest(Clients):
    """The client is the sandboxed program: it has the sandbox's placeholder, and no way but the proxy."""

    def work(self, name, mode):
        judge, prefix = self.world.judge, f"inside-{name}"
        client = CLIENTS[name](self.world.machine)
        sandbox = self.world.local_for(judge, label=prefix)
        jobs = self.world.scenario.jobs(client, prefix + "/")
        command = client.command(f"https://{judge.name}:{judge.port}", BUCKET, list(jobs.values()))
        done = sandbox.run("/bin/sh", "-c", 'echo "$AWS_ACCESS_KEY_ID" >&2; exec "$@"', "sh", *command, options=client.options(), timeout=400)
        placeholder = re.search(r"^AKIA\w{16}$", done.stderr, re.M)
        self.assertTrue(placeholder, done.stderr[-2000:])
        self.judged(prefix + "/", jobs, done, mode)
        self.assertNotIn(placeholder.group(0), str(judge.heads()))


class Proxied(Clients):
    """Through sigv4-proxy."""

    def through(self, name, mode, *options):
        judge, prefix = self.world.judge, f"{type(self).__name__}-{name}/"
        proxy = Proxy(self.world.machine, f"https://{judge.name}:{judge.port}", "--ca", self.world.pki.ca, "--host-alias",
                      f"{judge.name}={self.world.machine.network().there}", *options).wait_ready()
        try:
            client = CLIENTS[name](self.world.machine)
            jobs = self.world.scenario.jobs(client, prefix)
            done = client.run(proxy.url(""), BUCKET, list(jobs.values()), ("AKIACLIENT", "client-secret"))
            self.judged(prefix, jobs, done, mode)
        finally:
            proxy.stop()


class TrustedTest(Proxied):
    """It trusts whoever reaches it: what the client signs with does not matter."""

    def work(self, name, mode):
        self.through(name, mode)


class VerifiedTest(Proxied):
    """--verify-chunks: every request is verified, chunk by chunk where the client signs chunks."""

    def work(self, name, mode):
        keys = self.world.machine.write("s3-clients.toml", '[clients.AKIACLIENT]\nsecret_access_key = "client-secret"\n')
        self.through(name, mode, "--verify-chunks", keys)


def for_each(case, way, clients):
    """test_WAY_CLIENT for each."""
    for client, mode in clients.items():
        setattr(case, f"test_{way}_{client}", lambda self, client=client, mode=mode: self.work(client, mode))


for_each(SandboxedTest, "inside", {"boto3": TRAILER, "sdk_js": TRAILER, "minio_js": UNSIGNED, "minio_go": UNSIGNED, "minio_go_trailers": TRAILER,
                                   "aws_cli": UNSIGNED, "rclone": UNSIGNED, "s3cmd": HASH, "curl": HASH})
for_each(TrustedTest, "proxied", {"boto3": HASH, "sdk_js": TRAILER, "s3cmd": HASH, "curl": HASH})
# But for Debian's curl, whose signature S3 refuses.
for_each(VerifiedTest, "verified", {"boto3": HASH, "sdk_js": TRAILER, "minio_js": HASH, "minio_go": CHUNKS, "minio_go_trailers": CHUNKS_TRAILER,
                                    "aws_cli": HASH, "rclone": UNSIGNED, "s3cmd": HASH})
