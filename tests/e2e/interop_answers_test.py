"""The real supervisor and answers that a gateway may give though ours does not: tokens that never end, another sandbox's, nonsense."""
import time
import uuid

from e2e.support.machine import wait_until
from e2e.support.other_gateway import ALLOWED, OTHER, InteropCase

INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 13, 14, 16
CONFIG, ENVIRONMENT, REFRESH = "GetSandboxConfig", "GetSandboxProviderEnvironment", "RefreshSandboxToken"


class InteropAnswersTest(InteropCase):
    def test_a_token_that_never_ends(self):
        gateway = self.gateway("endless", token_seconds=None)
        sandbox = self.sandbox(gateway, "endless", token_seconds=None).probe()
        self.assertEqual(sandbox.decision(), "allowed")
        shown = self.ended_well(sandbox.debug_rpc("show-token"))
        self.assertIn("expires_at_ms=0\n", shown)
        self.assertEqual(sandbox.debug_rpc("refresh").returncode, 0)
        time.sleep(2)  # were it taken as expired, it would be refreshed each second
        self.assertEqual(len(gateway.calls(REFRESH)), 1)
        self.assertEqual(sandbox.decision(), "allowed")

    def test_answers_to_a_refresh_that_are_not_taken(self):
        gateway = self.gateway("not-taken")
        sandbox = self.sandbox(gateway, "not-taken", poll=3600).probe()
        held, kept = self.ended_well(sandbox.debug_rpc("show-token")), sandbox.token()
        foreign = gateway.mint(sandbox=str(uuid.uuid4()))
        for what, token in (("nothing", ""), ("no token", "nonsense"), ("another sandbox's", foreign), ("two lines", kept + "\nx: y"),
                            ("too long", kept + "A" * 9000), ("expired", gateway.mint(-60))):
            with self.subTest(what):
                gateway.set(refresh_answer={"token": token})
                done = sandbox.debug_rpc("refresh")
                self.assertEqual(done.returncode, INTERNAL, done.stdout + done.stderr)
                self.assertNotIn(foreign.split(".")[2], done.stderr)
                self.assertEqual(self.ended_well(sandbox.debug_rpc("show-token")), held)
                self.assertEqual(sandbox.token(), kept)
        self.assertEqual(sandbox.decision(), "allowed")
        gateway.set(refresh_answer=None)
        self.assertEqual(sandbox.debug_rpc("refresh").returncode, 0)

    def test_credentials_that_change(self):
        gateway, sandbox = self.probe("rotated")
        asked = lambda: len(gateway.answered(ENVIRONMENT))
        self.assertEqual(asked(), 1)
        gateway.set(environment={"provider_env_revision": "2"}, config=gateway.config(1, gateway.policy(ALLOWED), provider_env_revision="2"))
        gateway.wait_for("the second environment", 20, lambda: asked() == 2)
        seen = len(gateway.answered(CONFIG))
        gateway.wait_for("two more polls", 20, lambda: len(gateway.answered(CONFIG)) >= seen + 2)
        self.assertEqual(asked(), 2)  # once for each revision
        gateway.set(deny={ENVIRONMENT: {"code": INTERNAL, "times": 2}},
                    config=gateway.config(1, gateway.policy(ALLOWED), provider_env_revision="3"), environment={"provider_env_revision": "3"})
        gateway.wait_for("the third, in spite of two failures", 20, lambda: asked() == 3)
        self.assertEqual(len(gateway.answered(ENVIRONMENT, INTERNAL)), 2)
        self.assertEqual(sandbox.decision(), "allowed")

    def test_a_token_that_ends_while_the_gateway_is_away(self):
        gateway = self.gateway("expires")
        sandbox = self.sandbox(gateway, "expires", token_seconds=6).probe()
        gateway.say(listen=False)
        self.assertEqual(sandbox.decision(), "allowed")
        self.until(sandbox, "denied", seconds=30)
        gateway.say(listen=True)
        gateway.wait_for("a refused call", 40, lambda: gateway.answered(CONFIG, UNAUTHENTICATED))
        self.assertEqual(sandbox.decision(), "denied")
        sandbox.put_token(gateway.mint())
        self.until(sandbox, "allowed", seconds=60)

    def test_slow_answers(self):
        gateway, sandbox = self.pair("slow", delay_ms={CONFIG: 2000, ENVIRONMENT: 2000, "ReportPolicyStatus": 2000, "PushSandboxLogs": 2000})
        began = time.monotonic()
        self.ended_well(sandbox.run("/bin/true"))
        self.assertLess(time.monotonic() - began, 40)
        gateway.set(delay_ms={"ReportMainProcessExit": 60000, "PushSandboxLogs": 60000})
        began = time.monotonic()
        self.assertEqual(sandbox.run("/bin/sh", "-c", "exit 6").returncode, 6)
        self.assertLess(time.monotonic() - began, 20)  # a few seconds for each farewell, not a minute

    def test_large_policies(self):
        hosts = [f"host-{n}.example.com" for n in range(5000)]
        gateway, sandbox = self.pair("large")
        gateway.set(config=gateway.config(1, gateway.policy(*hosts, ALLOWED)))
        sandbox.probe()
        self.assertEqual(sandbox.decision(), "allowed")
        self.assertEqual(sandbox.decision(OTHER), "denied")

    def test_another_workspace_and_dynamic_credentials(self):
        """Named, and of no use to a supervisor that has none of it: neither is a reason to stop."""
        gateway, sandbox = self.pair("elsewhere")
        dynamic = {f"{ALLOWED}\t443\t\twork:token": {"name": "token", "token_grant": {"audience": "a"}}}
        gateway.set(config=gateway.config(1, gateway.policy(ALLOWED), workspace="team-a", policy_source="POLICY_SOURCE_GLOBAL",
                                          global_policy_version=4),
                    environment={"provider_env_revision": "1", "environment": {"AWS_REGION": "eu-west-1"}, "dynamic_credentials": dynamic,
                                 "non_secret_environment_keys": ["AWS_REGION"]})
        out = self.ended_well(sandbox.run("/bin/sh", "-c", "echo region $AWS_REGION"))
        self.assertEqual(out, "region eu-west-1\n")

    def test_what_a_providers_configuration_cannot_replace(self):
        """The way to the proxy and the trust in it, and AWS keys, whatever a gateway calls them."""
        names = {"HTTPS_PROXY": "http://10.0.0.1:1", "SSL_CERT_FILE": "/tmp/x.pem", "AWS_ACCESS_KEY_ID": "AKIANOSECRET"}
        gateway, sandbox = self.pair("steering")
        gateway.set(environment={"provider_env_revision": "1", "environment": {**names, "MODE": "fast"},
                                 "non_secret_environment_keys": [*names, "MODE"]})
        out = self.ended_well(sandbox.run("/usr/bin/env"))
        self.assertIn("MODE=fast\n", out)
        self.assertIn("HTTPS_PROXY=http://127.0.0.1:", out)
        for value in names.values():
            self.assertNotIn(value, out)

    def test_a_gateway_that_ends_each_connection(self):
        gateway, sandbox = self.probe("restless")
        for number in range(2, 6):
            gateway.set(config=gateway.config(number, gateway.policy(ALLOWED, OTHER) if number % 2 == 0 else gateway.policy(ALLOWED)))
            gateway.say(cut=True)
            self.until(sandbox, "allowed" if number % 2 == 0 else "denied", OTHER, 40)
        self.assertGreater(len({call["peer"] for call in gateway.calls()}), 3)
        wait_until(lambda: sandbox.debug_rpc("refresh").returncode in (0, UNAVAILABLE), 20, "an answer")
