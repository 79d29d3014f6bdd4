"""The real supervisor and a gateway of another hand: what is asked, in which order, and what each answer does."""
import json
import os
import time

from e2e.support.cluster import ProjectedToken
from e2e.support.machine import wait_until
from e2e.support.other_gateway import ALLOWED, OTHER, InteropCase, embedded
from e2e.support.programs import BOTO3
from e2e.support.s3_servers import Keys
from e2e.support.talker import operator_of

INVALID, NOT_FOUND, DENIED, EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 3, 5, 7, 8, 12, 13, 14, 16
CONFIG, ENVIRONMENT, REPORT, LOGS = "GetSandboxConfig", "GetSandboxProviderEnvironment", "ReportPolicyStatus", "PushSandboxLogs"
REFRESH, ISSUE, EXIT = "RefreshSandboxToken", "IssueSandboxToken", "ReportMainProcessExit"
BAD = {"version": 1, "network_policies": {"odd": {"name": "odd", "endpoints": [
    {"host": ALLOWED, "port": 4430, "protocol": "of-the-future"}]}}}


class InteropTest(InteropCase):
    def test_the_order_of_calls(self):
        gateway, sandbox = self.pair("order")
        done = sandbox.run("/bin/sh", "-c", "exit 7")
        self.assertEqual(done.returncode, 7, done.stderr)
        calls = [call for call in gateway.calls() if call["method"] != LOGS]
        methods = [call["method"] for call in calls]
        order = [CONFIG, ENVIRONMENT, REPORT, EXIT]
        self.assertEqual([method for method in methods if method in order], order)
        self.assertLessEqual(set(methods), {*order, "ConnectSupervisor", "GetInferenceBundle"}, methods)
        self.assertEqual({call["scheme"] for call in calls}, {"Bearer"})
        self.assertEqual(len({call["token"] for call in calls}), 1)
        self.assertEqual({call["request"].get("sandbox_id", gateway.sandbox_id) for call in calls if call["request"]}, {gateway.sandbox_id})
        by_method = {call["method"]: call["request"] for call in calls}
        self.assertIs(by_method[ENVIRONMENT]["supports_static_credential_bindings"], True)
        self.assertEqual((by_method[REPORT]["version"], by_method[REPORT]["status"]), (1, "POLICY_STATUS_LOADED"))
        self.assertEqual(by_method[EXIT]["exit_code"], 7)
        self.assertEqual({call.get("code") for call in calls if call["method"] in order}, {0})

    def test_how_the_program_ended(self):
        gateway, sandbox = self.pair("ended")
        for script, code in (("true", 0), ("exit 9", 9), ("kill -9 $$", 137)):
            self.assertEqual(sandbox.run("/bin/sh", "-c", script).returncode, code)
        reports = gateway.answered(EXIT)
        self.assertEqual([report["request"]["exit_code"] for report in reports], [0, 9, 137])
        instances = [report["request"]["instance_id"] for report in reports]
        self.assertEqual(len(set(instances)), 3)  # of each run its own
        hellos = [session["messages"][0]["hello"]["instance_id"] for session in gateway.calls("ConnectSupervisor") if session["messages"]]
        self.assertLessEqual(set(hellos), set(instances))  # a session, where one is opened, names the same run
        # A gateway that does not serve the report holds nobody up.
        gateway.set(deny={EXIT: {"code": UNIMPLEMENTED}})
        began = time.monotonic()
        self.assertEqual(sandbox.run("/bin/sh", "-c", "exit 4").returncode, 4)
        self.assertLess(time.monotonic() - began, 20)

    def test_tokens_are_refreshed(self):
        # Long enough that a fifth of it is more than the second that a token's whole numbers may hide, on a busy machine too.
        gateway = self.gateway("refresh", token_seconds=15, old_token_dies=True)
        sandbox = self.sandbox(gateway, "refresh", token_seconds=15)
        first = sandbox.token()
        sandbox.probe()
        gateway.wait_for("two refreshes", 60, lambda: len(gateway.answered(REFRESH)) >= 2)
        gateway.wait_for("a call with the new token", 20,
                         lambda: gateway.calls(CONFIG)[-1]["token"] not in (gateway.calls(CONFIG)[0]["token"], gateway.answered(REFRESH)[0]["token"]))
        ids = [call["metadata"]["x-keyward-refresh-id"] for call in gateway.answered(REFRESH)]
        self.assertEqual(len(set(ids)), len(ids))  # each refresh is one of its own
        self.assertEqual(sandbox.decision(), "allowed")
        self.assertNotEqual(sandbox.token(), first)  # kept for the next start
        gateway.set(token_seconds=3600)
        wait_until(lambda: sandbox.debug_rpc("refresh").returncode == 0, 20, "the last refresh")
        self.assertEqual(sandbox.end(), 0)
        self.assertEqual(sandbox.run("/bin/true").returncode, 0)
        with open(gateway.record, encoding="utf-8") as file:
            self.assertNotIn(first.split(".")[2], file.read())

    def test_a_lost_answer_to_a_refresh(self):
        """The gateway has done it and the answer is lost: the repeat has the same id, and so gets the same answer."""
        gateway = self.gateway("lost", token_seconds=3600, old_token_dies=True, lose={REFRESH: 2})
        sandbox = self.sandbox(gateway, "lost", poll=3600).probe()
        codes = [sandbox.debug_rpc("refresh").returncode for _ in range(4)]
        self.assertEqual(codes, [UNAVAILABLE, UNAVAILABLE, 0, 0])
        ids = [call["metadata"]["x-keyward-refresh-id"] for call in gateway.calls(REFRESH)]
        self.assertEqual(ids[:3], ids[:1] * 3)
        self.assertNotEqual(ids[3], ids[0])
        self.assertEqual(sandbox.ask_config().returncode, 0)
        self.assertEqual(sandbox.decision(), "allowed")

    def test_a_new_policy_is_taken(self):
        gateway, sandbox = self.probe("revisions")
        self.assertEqual(sandbox.decision(OTHER), "denied")
        gateway.set(config=gateway.config(2, gateway.policy(OTHER)))
        self.until(sandbox, "allowed", OTHER)
        self.assertEqual(sandbox.decision(), "denied")
        self.reported(gateway, 2, "POLICY_STATUS_LOADED")
        gateway.set(config=gateway.config(3, gateway.policy(ALLOWED, OTHER)))
        self.until(sandbox, "allowed")
        self.reported(gateway, 3, "POLICY_STATUS_LOADED")
        gateway.set(config={key: value for key, value in gateway.config(4, None).items() if key != "policy"})
        self.until(sandbox, "denied")  # no policy: nothing is allowed

    def test_a_bad_policy_closes(self):
        gateway, sandbox = self.probe("bad")
        gateway.set(config=gateway.config(2, BAD))
        self.until(sandbox, "denied")
        report = self.reported(gateway, 2, "POLICY_STATUS_FAILED")
        self.assertIn("of-the-future", report["load_error"])
        gateway.set(config=gateway.config(3, gateway.policy(ALLOWED)))
        self.until(sandbox, "allowed")
        self.reported(gateway, 3, "POLICY_STATUS_LOADED")
        gateway.set(config=gateway.config(4, BAD, policy_validation_failure_mode="of-the-future"))
        self.until(sandbox, "denied")  # any other mode closes too

    def test_a_bad_policy_where_the_last_valid_one_stays(self):
        gateway, sandbox = self.probe("retained")
        gateway.set(config=gateway.config(2, BAD, policy_validation_failure_mode="retain_last_valid"))
        self.reported(gateway, 2, "POLICY_STATUS_FAILED")
        self.assertEqual(sandbox.decision(), "allowed")
        gateway.set(config=gateway.config(3, gateway.policy(OTHER), policy_validation_failure_mode="retain_last_valid"))
        self.until(sandbox, "denied")
        self.reported(gateway, 3, "POLICY_STATUS_LOADED")

    def test_a_bad_policy_at_the_start(self):
        for mode in ("fail_closed", "retain_last_valid"):
            gateway, sandbox = self.pair(f"bad-start-{mode}")
            gateway.set(config=gateway.config(1, BAD, policy_validation_failure_mode=mode))
            done = sandbox.run("/bin/echo", "STARTED")
            self.assertEqual(done.returncode, 125, done.stderr)
            self.assertNotIn("STARTED", done.stdout)
            self.reported(gateway, 1, "POLICY_STATUS_FAILED")

    def test_logs_arrive(self):
        gateway, sandbox = self.pair("logs")
        self.ended_well(sandbox.run("/bin/sh", "-c", "echo the programs own words; echo and more >&2"))
        batches = [batch for call in gateway.answered(LOGS) for batch in call["request"]]
        lines = [line for batch in batches for line in batch["logs"]]
        self.assertIn("policy_loaded", [line["message"] for line in lines])
        self.assertEqual({batch["sandbox_id"] for batch in batches}, {gateway.sandbox_id})
        self.assertTrue(all(abs(int(line["timestamp_ms"]) / 1000 - time.time()) < 120 and line["level"] for line in lines))
        self.assertTrue(all(len(batch["logs"]) <= 100 for batch in batches))  # a gateway may drop what is beyond
        self.assertNotIn("words", json.dumps(lines))
        gateway.set(deny={LOGS: {"code": UNIMPLEMENTED}})
        self.ended_well(sandbox.run("/bin/true"))

    def test_a_gateway_that_goes_away_and_comes_back(self):
        gateway, sandbox = self.probe("away")
        gateway.say(cut=True)
        self.assertEqual(sandbox.decision(), "allowed")
        gateway.say(listen=False)
        self.assertEqual(sandbox.debug_rpc("refresh").returncode, UNAVAILABLE)
        self.assertEqual(sandbox.decision(), "allowed")
        gateway.set(config=gateway.config(2, gateway.policy(OTHER)))
        before = len(gateway.calls())
        gateway.say(listen=True)
        self.until(sandbox, "allowed", OTHER, 40)
        self.assertEqual(sandbox.decision(), "denied")
        self.assertGreater(len(gateway.calls()), before)
        gateway.set(delay_ms={CONFIG: 3000})  # slow answers slow nobody down
        began = time.monotonic()
        self.assertEqual([sandbox.decision(OTHER) for _ in range(5)], ["allowed"] * 5)
        self.assertLess(time.monotonic() - began, 15)

    def test_a_gateway_that_is_not_ready(self):
        gateway, sandbox = self.pair("early", deny={CONFIG: {"code": UNAVAILABLE, "times": 2}})
        self.ended_well(sandbox.run("/bin/true"))
        self.assertEqual([call["code"] for call in gateway.calls(CONFIG)[:3]], [UNAVAILABLE, UNAVAILABLE, 0])
        gateway.set(deny={CONFIG: {"code": NOT_FOUND, "text": "sandbox not found"}})
        began = time.monotonic()
        done = sandbox.run("/bin/echo", "STARTED")
        self.assertEqual((done.returncode, done.stdout), (125, ""), done.stderr)
        self.assertLess(time.monotonic() - began, 10)  # not waited for: it will not become true

    def test_a_token_that_is_refused_ends_all_authority(self):
        gateway, sandbox = self.probe("refused")
        gateway.set(refuse_tokens=True)
        self.until(sandbox, "denied")
        self.assertEqual(sandbox.debug_rpc("refresh").returncode, UNAUTHENTICATED)
        self.assertEqual(sandbox.decision(), "denied")
        gateway.set(refuse_tokens=False)  # the same token is good again
        self.until(sandbox, "allowed", seconds=40)
        gateway.say(refuse="all")  # now it never will be; an operator puts another one into the file
        self.until(sandbox, "denied")
        time.sleep(1.1)  # tokens of one second are the same
        sandbox.put_token(gateway.mint())
        self.until(sandbox, "allowed", seconds=40)
        for code in (DENIED, NOT_FOUND):
            gateway.set(deny={CONFIG: {"code": code}})
            self.until(sandbox, "denied")
            gateway.set(deny={})
            self.until(sandbox, "allowed")
        gateway.set(deny={CONFIG: {"code": INTERNAL}})  # a trouble of the gateway's own changes nothing
        seen = len(gateway.answered(CONFIG, INTERNAL))
        gateway.wait_for("two failed polls", 20, lambda: len(gateway.answered(CONFIG, INTERNAL)) >= seen + 2)
        self.assertEqual(sandbox.decision(), "allowed")

    def test_what_it_does_not_know_is_tolerated(self):
        """A later version's fields, settings, sources and credentials; the same in answers to refresh and report."""
        gateway, sandbox = self.pair("later", unknown_fields=True)
        settings = {"a_setting_of_the_future": {"value": {"bytes_value": "AAEC"}, "scope": "SETTING_SCOPE_GLOBAL"},
                    "providers_v2_enabled": {"value": {"bool_value": True}, "scope": 77}, "without_a_value": {}}
        gateway.set(config=gateway.config(1, gateway.policy(ALLOWED), settings=settings, policy_source=9, extension_authentication_enabled=True))
        sandbox.probe()
        self.assertEqual(sandbox.decision(), "allowed")
        self.assertEqual(sandbox.decision(OTHER), "denied")
        self.assertEqual(sandbox.debug_rpc("refresh").returncode, 0)
        gateway.set(config=gateway.config(2, gateway.policy(OTHER), settings={"another": {"value": {"int_value": "-1"}}}))
        self.until(sandbox, "allowed", OTHER)
        self.reported(gateway, 2, "POLICY_STATUS_LOADED")
        self.assertEqual(sandbox.end(), 0)

    def test_a_policy_of_a_later_version(self):
        """What is unknown in a policy may be what makes it narrow: unlike other answers, such a policy is refused."""
        gateway, sandbox = self.probe("later-policy")
        later = embedded(1000, b"new")
        endpoint = embedded(1, OTHER.encode()) + b"\x10\x50" + later  # host, port 80
        tests = {"in the policy": (embedded(1, later), {}), "in the policy's process": (embedded(1, embedded(4, later)), {}),
                 "in an endpoint": (embedded(1, embedded(5, embedded(1, b"more") + embedded(2, embedded(2, endpoint)))), {}),
                 "a word of landlock's": (b"", {"landlock": {"compatibility": "of-the-future"}}),
                 "a word of an endpoint's": (b"", {"network_policies": {"t": {"endpoints": [{"host": ALLOWED, "port": 1, "tls": "of-the-future"}]}}})}
        for number, (name, (more, parts)) in enumerate(tests.items(), 1):
            with self.subTest(name):
                gateway.set(append={CONFIG: more.hex()}, config=gateway.config(2 * number, {**gateway.policy(ALLOWED), **parts}))
                self.until(sandbox, "denied")
                self.reported(gateway, 2 * number, "POLICY_STATUS_FAILED")
                gateway.set(append={}, config=gateway.config(2 * number + 1, gateway.policy(ALLOWED)))
                self.until(sandbox, "allowed")

    def test_debug_rpc(self):
        gateway = self.gateway("debug")
        sandbox = self.sandbox(gateway, "debug", poll=3600).probe()
        shown = sandbox.ask_config()
        self.assertEqual(self.ended_well(shown), "version=1 policy_hash=hash-1 config_revision=1001\n")
        principal = json.loads(self.ended_well(sandbox.debug_rpc("show-principal")))
        self.assertEqual(principal["sandbox_id"], gateway.sandbox_id)
        self.assertEqual(principal["sub"], f"spiffe://openshell/sandbox/{gateway.sandbox_id}")
        fingerprint = gateway.calls(CONFIG)[-1]["token"]
        self.assertIn(f"fingerprint=sha256:{fingerprint}", self.ended_well(sandbox.debug_rpc("show-token")))
        foreign = sandbox.debug_rpc("get-sandbox-config", "--sandbox-id", "11111111-1111-4111-8111-111111111111")
        self.assertEqual(foreign.returncode, DENIED)
        self.assertIn("PermissionDenied: ", foreign.stderr)
        for code in range(1, 17):
            gateway.set(deny={CONFIG: {"code": code, "text": "said by the gateway"}, REFRESH: {"code": code}})
            with self.subTest(code):
                done = sandbox.ask_config()
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1)
                self.assertEqual(sandbox.debug_rpc("refresh").returncode, code)
        gateway.set(deny={})
        self.assertEqual(sandbox.debug_rpc("refresh").returncode, 0)

    def test_credentials_with_their_bindings(self):
        gateway, judge = self.gateway("keys"), self.world.judge
        names = {"AWS_ACCESS_KEY_ID": Keys.access, "AWS_SECRET_ACCESS_KEY": Keys.secret}
        bound = {"endpoints": [{"host": judge.name, "port": judge.port}], "credential_identity": "work:aws"}
        environment = {"environment": {**names, "AWS_DEFAULT_REGION": "us-east-1"}, "provider_env_revision": "1",
                       "static_credential_bindings": {name: bound for name in names}, "non_secret_environment_keys": ["AWS_DEFAULT_REGION"]}
        rule = {"host": judge.name, "port": judge.port, "protocol": "rest", "access": "full", "allowed_ips": [gateway.address + "/32"],
                "credential_signing": "sigv4", "signing_service": "s3", "signing_region": "us-east-1"}
        policy = {"version": 1, "network_policies": {"s3": {"name": "s3", "endpoints": [rule]}}}
        gateway.set(config=gateway.config(1, policy), environment=environment)
        sandbox = self.sandbox(gateway, "keys")
        program = BOTO3 + """
s3.put_object(Bucket=bucket, Key="of-another-hand", Body=b"x")
print(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_DEFAULT_REGION"])
"""
        command = ("/usr/bin/python3", "-c", program, f"https://{judge.name}:{judge.port}", "demo")
        options = ("--host-alias", f"{judge.name}={gateway.address}")
        out = self.ended_well(sandbox.run(*command, options=options))
        self.assertIn("us-east-1", out)
        self.assertNotIn(Keys.access, out)
        self.assertIn(f"Credential={Keys.access}/", judge.requests("PUT", "/demo/of-another-hand")[-1]["authorization"])
        for broken in ({}, {"AWS_ACCESS_KEY_ID": bound}, {**environment["static_credential_bindings"], "AWS_SECRET_ACCESS_KEY": {"endpoints": []}}):
            gateway.set(environment={**environment, "static_credential_bindings": broken})
            with self.subTest(broken):
                before = len(judge.requests("PUT", "/demo/of-another-hand"))
                self.assertNotEqual(sandbox.run(*command, options=options).returncode, 0)
                self.assertEqual(len(judge.requests("PUT", "/demo/of-another-hand")), before)

    def test_by_a_pods_token(self):
        gateway = self.gateway("pod")
        sandbox = self.sandbox(gateway, "pod")
        projected = ProjectedToken(self.world.machine.folder("projected-elsewhere", 0o755))
        projected.put("first.of.pod")
        gateway.set(pods={"first.of.pod": gateway.sandbox_id, "second.of.pod": gateway.sandbox_id})
        del sandbox.environment["OPENSHELL_SANDBOX_TOKEN_FILE"]
        sandbox.environment["OPENSHELL_K8S_SA_TOKEN_FILE"] = projected.path
        sandbox.probe()
        self.assertEqual(sandbox.decision(), "allowed")
        calls = gateway.calls()
        self.assertEqual([call["method"] for call in calls].count(ISSUE), 1)
        self.assertEqual(calls[0]["method"], ISSUE)
        self.assertNotIn(calls[0]["token"], [call["token"] for call in calls[1:]])
        self.assertEqual(sandbox.debug_rpc("refresh").returncode, 0)  # a good token is refreshed, not exchanged anew
        self.assertEqual(len(gateway.calls(ISSUE)), 1)
        projected.put("second.of.pod")
        time.sleep(1.1)  # tokens of one second are the same
        gateway.say(refuse="all")
        gateway.wait_for("the second exchange", 20, lambda: len(gateway.answered(ISSUE)) == 2)
        self.assertNotEqual(gateway.answered(ISSUE)[0]["token"], gateway.answered(ISSUE)[1]["token"])
        self.until(sandbox, "allowed")
        self.assertEqual(sandbox.end(), 0)
        gateway.set(pods={})
        done = sandbox.run("/bin/echo", "STARTED")
        self.assertEqual((done.returncode, done.stdout), (125, ""))
        self.assertIn("OPENSHELL_K8S_SA_TOKEN_FILE", done.stderr)

    def test_without_tls_on_loopback(self):
        gateway = self.gateway("plain", plaintext=True)
        sandbox = self.sandbox(gateway, "plain")
        self.ended_well(sandbox.run("/bin/true"))
        self.assertEqual([call["request"]["exit_code"] for call in gateway.answered(EXIT)], [0])

    def test_a_gateway_that_minds_pings(self):
        """GOAWAY too_many_pings, as a gRPC server with its defaults sends it: the next call is on a new connection."""
        gateway = self.gateway("strict", least_ping_ms=300000)
        sandbox = self.sandbox(gateway, "strict", poll=3600).probe()
        gateway.wait_for("too_many_pings", 90, lambda: gateway.calls("GOAWAY too_many_pings"))
        self.assertEqual(sandbox.decision(), "allowed")
        wait_until(lambda: sandbox.ask_config().returncode == 0, 30, "a call after the GOAWAY")
        self.assertGreater(len({call["peer"] for call in gateway.calls(CONFIG)}), 1)

    def test_the_other_gateway_itself(self):
        """What no supervisor may ask yet, so that the peer's own answers are known: a session, and the inference bundle."""
        routes = [{"name": "inference.local", "base_url": "https://m.test"}]
        gateway = self.gateway("itself", heartbeat_seconds=1, bundle={"routes": routes, "revision": "r1"})
        operator = operator_of(self.world.machine, "operator-itself", gateway.port, self.world.pki.ca)
        self.addCleanup(operator.close)
        token = gateway.mint()
        bundle = operator.say(call="GetInferenceBundle", token=token)
        self.assertEqual(bundle["answer"]["routes"][0]["name"], "inference.local")
        self.assertEqual(operator.say(call="GetInferenceBundle")["code"], UNAUTHENTICATED)
        self.assertEqual(operator.say(call="Health")["answer"]["status"], "SERVICE_STATUS_HEALTHY")
        operator.say(open="session", call="ConnectSupervisor", token=token)
        operator.say(send="session", message={"hello": {"sandbox_id": gateway.sandbox_id, "instance_id": "i"}})
        self.assertTrue(operator.say(read="session")["message"]["session_accepted"]["session_id"])
        self.assertEqual(operator.say(read="session")["message"]["payload"], "heartbeat")
        gateway.say(session={"relay_open": {"channel_id": "c", "tcp": {"host": "127.0.0.1", "port": 80}}})
        self.assertEqual(operator.say(read="session")["message"]["relay_open"]["tcp"]["port"], 80)
        operator.say(open="nobody", call="ConnectSupervisor", token=token)
        operator.say(send="nobody", message={"hello": {"sandbox_id": "11111111-1111-4111-8111-111111111111"}})
        self.assertEqual(operator.say(read="nobody")["code"], DENIED)
