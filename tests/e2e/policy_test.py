"""A policy is changed while the sandbox runs: the supervisor takes it up, says how it went, and keeps nothing of the old one."""
import json
import os

from e2e.suite import Case
from e2e.support.gateway_mode import GatewayMode
from e2e.support.keyward import SIGNING, endpoint, policy
from e2e.support.machine import wait_until
from e2e.support.programs import BOTO3

ENDPOINT = "https://judge.keyward.test:7443"
# One request per line of standard input, over a connection that is kept: its HTTP status on standard output.
TALKER = BOTO3 + """
from botocore.exceptions import ClientError
print("ready", flush=True)
for line in sys.stdin:
    try:
        s3.put_object(Bucket=bucket, Key="changing", Body=b"x")
        print(200, flush=True)
    except ClientError as error:
        print(error.response["ResponseMetadata"]["HTTPStatusCode"], flush=True)
    except Exception as error:
        print(type(error).__name__, flush=True)
"""


class PolicyTest(Case):
    def setUp(self):
        self.gateway, self.machine, self.server = self.world.gateway, self.world.machine, self.world.judge
        self.sandbox = GatewayMode(self.world, self.gateway, f"policy-{self._testMethodName[5:15].strip('_').replace('_', '-')}",
                                   self.server)
        self.sandbox.environment["OPENSHELL_POLICY_POLL_INTERVAL_SECS"] = "1"

    def file(self, *endpoints, **more):
        return self.machine.write("changed.yaml", policy(list(endpoints), **more), 0o644)

    def endpoint(self, **keys):
        return endpoint(self.server.name, self.server.port, self.machine.network().there, **SIGNING, **keys)

    def set(self, file, *options):
        return self.gateway.operator("policy", "set", self.sandbox.name, file, *options)

    def revisions(self):
        return json.loads(self.sandbox.must("policy", "list", self.sandbox.name, "--json"))

    def wait_for_status(self, revision, status):
        wait_until(lambda: [r["status"] for r in self.revisions() if r["revision"] == revision] == [status], 30,
                   f"revision {revision} {status}")

    def say(self, process):
        process.stdin.write("go\n")
        return process.stdout.readline().strip()

    def test_changes_without_a_restart(self):
        process = self.sandbox.start("/usr/bin/python3", "-uc", TALKER, ENDPOINT, "demo")
        self.addCleanup(self.machine.stop, process)
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.assertEqual(self.say(process), "200")

        read_only = self.file({**self.endpoint(), "access": "read-only"})
        self.assertIn("revision 2", self.ended_well(self.set(read_only)))
        self.wait_for_status(2, "loaded")
        self.assertEqual(self.say(process), "403")  # on the connection that was open before, too
        self.assertIn("revision 2", self.ended_well(self.set(read_only)), "the same policy again is no new revision")

        with open(read_only, encoding="utf-8") as text:
            self.assertEqual(self.sandbox.must("policy", "get", self.sandbox.name), text.read())
        first = os.path.join(self.machine.folder("policy-first"), "first.yaml")
        with open(first, "w", encoding="utf-8") as text:
            text.write(self.sandbox.must("policy", "get", self.sandbox.name, "--revision", "1"))
        self.ended_well(self.set(first))
        self.wait_for_status(3, "loaded")
        self.assertEqual(self.say(process), "200")
        self.assertEqual([r["status"] for r in self.revisions()], ["superseded", "superseded", "loaded"])

    def test_what_is_refused_changes_nothing(self):
        before = self.revisions()
        wrong = self.machine.write("wrong.yaml", "version: 1\nnetwork_policies:\n  a: {nonsense: 1}\n", 0o644)
        done = self.set(wrong)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("wrong.yaml:3", done.stderr)
        self.assertEqual(self.gateway.operator("policy", "set", "nobody", self.file(self.endpoint())).returncode, 5)
        self.assertEqual(self.gateway.operator("policy", "get", self.sandbox.name, "--revision", "9").returncode, 5)
        self.assertEqual(self.gateway.operator("policy", "list", "nobody").returncode, 5)
        self.assertEqual(self.set("/nonexistent/policy.yaml").returncode, 5)
        self.assertEqual(self.revisions(), before)

    def test_what_needs_a_restart_is_said_on_both_sides(self):
        process = self.sandbox.start("/bin/sleep", "60")
        self.addCleanup(self.machine.stop, process)
        self.wait_for_status(1, "loaded")
        file = self.file(self.endpoint(), filesystem_policy={"read_only": ["/usr"]})
        self.assertIn("next start", self.ended_well(self.set(file)))
        self.wait_for_status(2, "loaded")
        process.terminate()
        _, told = process.communicate(timeout=30)
        self.assertIn("policy_needs_restart", told)
