"""AWS keys that a sandbox gets by its own identity: its JWT-SVID at STS, and the keys in the signature of each request that leaves."""
import functools
import json
import os
import subprocess
import time

from e2e.suite import Case
from e2e.support.keyward import ENVIRONMENT, SUPERVISOR
from e2e.support.machine import wait_until
from e2e.support.programs import Puts
from e2e.support.s3_servers import REGION, Keys
from e2e.support.spiffe import ID
from e2e.support.sts_grants import AUDIENCE, OTHERS, OUTSIDE, READER, STORE, STORE_PLACE, STS, StsPlace, WeedPlace
from e2e.support.token_grants import GrantSandbox

URL = f"https://{STORE_PLACE.name}:{STORE_PLACE.port}/demo/"
SESSION = "example.org=sandbox=a"  # of spiffe://example.org/sandbox/a


@functools.lru_cache
def place_of(world):
    return StsPlace(world)


class KeysSandbox(Puts, GrantSandbox):
    def client(self):
        return self.start(*self.puts(URL))


class LocalKeysSandbox(KeysSandbox):
    """Without a gateway: the role is in the file of local credentials."""

    def __init__(self, place, name):
        machine = place.machine
        self.place, self.name, self.process = place, name, None
        folder = machine.folder(f"sts-{name}", 0o700)
        self.audit, self.log = os.path.join(machine.folder(f"sts-audit-{name}", 0o700), "audit.jsonl"), machine.log(f"sts-{name}")
        credentials = machine.write(f"secrets/sts-{name}.toml", f"""
[aws.store]
web_identity_role = "{STORE}"
region = "{REGION}"
sts_endpoint = "https://{STS[0]}:{STS[1]}"
jwt_svid_audience = "{AUDIENCE}"
bind = ["{STORE_PLACE.name}:{STORE_PLACE.port}"]
""")
        self.options = ["--user", f"{self.user}:{self.user}", "--upstream-ca", place.pki.ca, "--audit-log", self.audit, "--hide", place.bundle,
                        "--policy", place.policy, "--local-credentials", credentials]
        for host in place.hosts:
            self.options += ["--host-alias", f"{host}={place.address}"]
        self.grants = ["--grant-range", place.address + "/32", "--spiffe-id", ID]
        self.control = os.path.join(folder, "control.sock")
        self.environment = {**ENVIRONMENT, "KEYWARD_CONTROL_SOCKET": self.control,
                            "OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET": place.agent.path}

    def debug_rpc(self, *words):
        return subprocess.run([SUPERVISOR, "debug-rpc", *words, "--socket", self.control], capture_output=True, text=True, timeout=60, env=ENVIRONMENT)


class StsCase(Case):
    limit = 180

    def setUp(self):
        self.place = place_of(self.world)
        self.addCleanup(self.reset)
        self.seen()

    def reset(self):
        self.place.mood()
        self.place.import_roles()

    def sandbox(self, name):
        sandbox = KeysSandbox(self.place, "sts-" + name)
        self.addCleanup(sandbox.stop)
        return sandbox

    def seen(self):
        """What STS and the store have been asked since the last time."""
        lines = self.place.sts.seen()
        return [line for line in lines if "store" not in line], [line for line in lines if "store" in line]

    def refused(self, answer):
        self.assertEqual(answer["status"], 503, answer)
        self.assertTrue(answer["body"], answer)
        problem = json.loads(answer["body"])
        self.assertEqual(problem["code"], "credential_missing", problem)
        return problem

    def told(self, sandbox, *words):
        why = [event["detail"] for event in sandbox.events("token_not_granted")]
        self.assertTrue(any(all(word in each for word in words) for each in why), why)


class KeysTest(StsCase):
    def test_requests_are_signed_by_the_sandboxs_own_identity(self):
        sandbox = self.sandbox("identity").client()
        for number in range(3):
            self.assertEqual(sandbox.put(f"identity-{number}")["status"], 200)
        asked, stored = self.seen()
        self.assertEqual([(each["status"], each["action"], each["subject"], each["role"], each["name"]) for each in asked],
                         [(200, "AssumeRoleWithWebIdentity", ID, STORE, SESSION)])  # once for all requests
        self.assertEqual([(each["status"], each["path"], each["session"]) for each in stored],
                         [(200, f"/demo/identity-{number}", asked[0]["given"]) for number in range(3)])
        events = self.audit(sandbox, 3)
        signing = [event["unmapped"] for event in events if "signing" in event["unmapped"]]
        self.assertEqual([(each["credential"], each["key_id_end"]) for each in signing], [(f"{sandbox.provider}:keys", stored[0]["key"][-4:])] * 3)
        granted, = (event for event in events if event["class_uid"] == 3002)
        self.assertEqual((granted["service"]["name"], granted["unmapped"]["key_id_end"], granted["auth_protocol"]),
                         (STORE, stored[0]["key"][-4:], "AWS STS"))
        with open(sandbox.log, encoding="utf-8") as file:
            self.nothing_secret_in(file.read(), json.dumps(events))

    def audit(self, sandbox, requests):
        """Once that many requests are in it."""
        def read():
            with open(sandbox.audit, encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.endswith("\n")]
        wait_until(lambda: sum("signing" in event["unmapped"] for event in read()) >= requests, 20, "the audit trail")
        return read()

    def nothing_secret_in(self, *texts):
        paths = [self.place.machine.log("sts-gateway"), os.path.join(self.place.gateway.folder, "audit.jsonl"), self.place.gateway.database]
        secrets = {value.rpartition(".")[2] for _, value in self.place.recorded()}  # of a JWT-SVID the signature
        self.assertGreaterEqual(len(secrets), 3)
        for path in paths:
            with open(path, "rb") as file:
                texts += (file.read().decode("latin-1"),)
        for text in texts:
            self.assertNotEqual(text, "")
            self.assertEqual([secret for secret in secrets if secret in text], [])

    def test_a_second_role_is_assumed_by_the_first_ones_keys(self):
        self.place.import_roles({"roleArn": READER, "sessionName": "first", "durationSeconds": 900},
                                {"roleArn": STORE, "externalId": OUTSIDE, "durationSeconds": "1800"})
        sandbox = self.sandbox("chain").client()
        self.assertEqual(sandbox.put("by-second-role")["status"], 200)
        (first, second), (stored,) = self.seen()
        self.assertEqual((first["action"], first["role"], first["name"], first["duration"], first["subject"]),
                         ("AssumeRoleWithWebIdentity", READER, "first", "900", ID))
        self.assertEqual((second["action"], second["role"], second["name"], second["duration"], second["caller"], second["region"], second["session"]),
                         ("AssumeRole", STORE, SESSION, "1800", READER, REGION, first["given"]))
        self.assertEqual(stored["session"], second["given"])

    def test_keys_are_renewed_before_their_end_and_the_old_ones_serve_until_then(self):
        self.place.mood(life=15)
        sandbox = self.sandbox("renewed").client()
        began, statuses = time.monotonic(), []
        while time.monotonic() < began + 30:
            statuses.append(sandbox.put("renewed")["status"])
            time.sleep(0.2)
        self.assertEqual(set(statuses), {200})
        asked, stored = self.seen()
        self.assertGreaterEqual(len(asked), 3)
        self.assertEqual({each["session"] for each in stored}, {each["given"] for each in asked[:len({each["session"] for each in stored})]})
        self.assertGreaterEqual(len({each["session"] for each in stored}), 3)
        self.assertGreater(min(each["left"] for each in stored), 0)

    def test_sts_away_between_two_keys(self):
        self.place.mood(life=20)
        sandbox = self.sandbox("outage").client()
        self.assertEqual(sandbox.put("outage")["status"], 200)
        (first,), _ = self.seen()
        self.place.mood(life=20, refuse={"status": 503, "code": "ServiceUnavailable"})
        while time.time() < first["expires"] - 3.5:  # renewal is due by the sixteenth second, and cannot be had; they serve for seventeen
            self.assertEqual(sandbox.put("outage")["status"], 200)
            time.sleep(0.2)
        asked, stored = self.seen()
        self.assertIn("ServiceUnavailable", [each.get("error") for each in asked])
        self.assertEqual({each["session"] for each in stored}, {first["given"]})
        refusal = sandbox.put_until(503, "outage")
        self.refused(refusal)
        self.assertNotIn("ServiceUnavailable", refusal["body"])
        self.assertEqual({each["status"] for each in self.seen()[1]} - {200}, set())
        self.place.mood(life=20)
        sandbox.put_until(200, "outage")

    def test_a_session_that_the_store_refuses_is_replaced_once(self):
        sandbox = self.sandbox("ended").client()
        self.assertEqual(sandbox.put("ended")["status"], 200)
        (first,), _ = self.seen()
        self.place.mood(ended=[first["given"]])
        self.assertEqual(sandbox.put("GET ended")["status"], 200)  # sent once more, with others
        (second,), stored = self.seen()
        self.assertEqual([(each["status"], each["session"]) for each in stored], [(400, first["given"]), (200, second["given"])])
        self.place.mood(ended=[first["given"], second["given"]])
        self.assertEqual(sandbox.put("GET ended")["status"], 400)  # not twice within half a minute
        self.assertEqual(len(self.seen()[0]), 0)

    def test_a_body_is_not_sent_twice(self):
        sandbox = self.sandbox("once").client()
        self.assertEqual(sandbox.put("once")["status"], 200)
        (first,), _ = self.seen()
        self.place.mood(ended=[first["given"]])
        refused = sandbox.put("once")
        self.assertEqual(refused["status"], 400)
        self.assertIn("ExpiredToken", refused["body"])
        self.assertEqual(sandbox.put("once")["status"], 200)
        (second,), stored = self.seen()
        self.assertEqual([(each["status"], each["session"]) for each in stored], [(400, first["given"]), (200, second["given"])])

    def test_withdrawn_keys_sign_nothing_more(self):
        sandbox = self.sandbox("withdrawn").client()
        self.assertEqual(sandbox.put("withdrawn")["status"], 200)
        self.place.must("provider", "detach", sandbox.name, sandbox.provider)
        sandbox.put_until(503, "withdrawn")
        self.assertEqual(len(self.seen()[0]), 1)
        self.assertIn("no AWS credentials are bound", self.refused(sandbox.put("withdrawn"))["detail"])
        self.assertEqual(self.seen(), ([], []))
        self.place.must("provider", "attach", sandbox.name, sandbox.provider)
        sandbox.put_until(200, "withdrawn")
        self.assertEqual(len(self.seen()[0]), 1)  # what was held is not held after that


class LocalTest(StsCase):
    def test_without_a_gateway_and_what_it_can_be_asked(self):
        sandbox = LocalKeysSandbox(self.place, "local").client()
        self.addCleanup(sandbox.stop)
        for number in range(2):
            self.assertEqual(sandbox.put(f"local-{number}")["status"], 200)
        (asked,), stored = self.seen()
        self.assertEqual((asked["subject"], asked["role"]), (ID, STORE))
        self.assertEqual([(each["status"], each["session"]) for each in stored], [(200, asked["given"])] * 2)
        metrics = self.ended_well(sandbox.debug_rpc("metrics"))
        for line in ('requests_total{served="held"} 1', 'requests_total{served="waited"} 1', "fetch_seconds_count 1"):
            self.assertIn(f"\nkeyward_supervisor_grant_{line}\n", metrics)
        self.assertNotIn(asked["given"], metrics)
        for words in (("show-token",), ("show-principal",), ("refresh",), ("get-sandbox-config", "--sandbox-id", "local")):
            with self.subTest(words=words):
                done = sandbox.debug_rpc(*words)
                self.assertEqual(done.returncode, 9, done)
                self.assertIn("FailedPrecondition: this supervisor runs without a gateway", done.stderr)


class RefusalTest(StsCase):
    def nothing_arrives(self, sandbox, key):
        """What STS was asked meanwhile, and how the program was refused."""
        problem = self.refused(sandbox.put(key))
        asked, stored = self.seen()
        self.assertEqual(stored, [])
        return asked, problem

    def test_a_role_that_does_not_trust_this_workload(self):
        self.place.import_roles({"roleArn": OTHERS})
        sandbox = self.sandbox("untrusted").client()
        asked, problem = self.nothing_arrives(sandbox, "untrusted")
        self.assertEqual([(each["status"], each["error"]) for each in asked], [(403, "AccessDenied")])
        self.assertNotIn("AccessDenied", json.dumps(problem))  # the reason in full is the operator's to know
        self.told(sandbox, OTHERS, "AccessDenied", f"does the role's trust policy let {ID} assume it, with the audience {AUDIENCE}?")
        self.assertEqual(self.nothing_arrives(sandbox, "untrusted")[0], [])  # STS is not asked again at once

    def test_a_second_role_that_does_not_trust_the_first(self):
        self.place.import_roles({"roleArn": READER}, {"roleArn": STORE, "externalId": "another"})
        sandbox = self.sandbox("unchained").client()
        asked, _ = self.nothing_arrives(sandbox, "unchained")
        self.told(sandbox, STORE, "AccessDenied")
        self.assertEqual([each["status"] for each in asked], [200, 403])

    def usual_algorithm(self):
        self.place.agent.say(do="algorithm", name="ES256")
        self.place.refresh_bundle()

    def test_a_jwt_svid_that_sts_cannot_verify(self):
        self.addCleanup(self.usual_algorithm)
        self.place.agent.say(do="algorithm", name="ES384")  # which this STS does not take
        sandbox = self.sandbox("unverified").client()
        asked, _ = self.nothing_arrives(sandbox, "unverified")
        self.told(sandbox, "InvalidIdentityToken", "the JWT-SVID has no iss")
        self.assertEqual(len(asked), 2)  # once more, with another JWT-SVID

    def test_static_keys_beside_a_grant(self):
        sandbox = self.sandbox("both")
        keys = self.place.machine.write("secrets/sts-both.env", f"AWS_ACCESS_KEY_ID={Keys.access}\nAWS_SECRET_ACCESS_KEY={Keys.secret}\n")
        self.place.must("provider", "create", "aws", "static-both", "--from-file", keys, "--bind", f"{STORE_PLACE.name}:{STORE_PLACE.port}")
        self.place.must("provider", "attach", sandbox.name, "static-both")
        sandbox.client()
        answer = sandbox.put("both")
        self.assertEqual((answer["status"], json.loads(answer["body"])["code"]), (403, "signing_refused"))
        self.assertEqual(self.seen()[1], [])

    def test_what_the_operator_sees_and_is_refused(self):
        rows = json.loads(self.place.must("profile", "list", "--json"))
        grant = next(row for row in rows if row["id"] == "store")["grants"][0]
        self.assertEqual((grant["grant_type"], grant["roles"]), ("aws_web_identity", [STORE]))
        for role, words in (({"roleArn": "reader"}, "role_arn"), ({"roleArn": READER, "externalId": "ab"}, "external_id"),
                            ({"roleArn": READER, "durationSeconds": 60}, "duration_seconds")):
            with self.assertRaisesRegex(RuntimeError, words):
                self.place.import_roles(role)


@functools.lru_cache
def weed_of(world):
    return WeedPlace(world)


class SeaweedTest(Case):
    """STS and S3 of another hand: what the one gives, the other takes."""
    limit = 240

    def test_seaweedfs_gives_and_takes_the_keys(self):
        place = weed_of(self.world)
        sandbox = KeysSandbox(place, "weed-cli")
        self.addCleanup(sandbox.stop)
        aws = f"aws --region {REGION} --endpoint-url https://{place.store.name}:{place.store.port}"
        done = sandbox.run("/bin/bash", "-c", f"""
          cd /tmp; head -c 300000 /dev/urandom >up
          {aws} s3 mb s3://by-identity >&2 && {aws} s3 cp --no-progress up s3://by-identity/a%20b >&2 &&
          {aws} s3 cp --no-progress s3://by-identity/a%20b down >&2 && cmp up down && echo the same""", timeout=180)
        self.assertEqual(done.stdout, "the same\n", done.stderr)
        with open(sandbox.audit, encoding="utf-8") as file:
            granted = [event for event in map(json.loads, file) if event["class_uid"] == 3002]
        self.assertEqual([(event["status_id"], event["auth_protocol"], event["service"]["name"]) for event in granted], [(1, "AWS STS", place.store.role)])

    def test_seaweedfs_refuses_what_it_cannot_verify(self):
        place = weed_of(self.world)
        self.addCleanup(place.agent.say, do="claims", set={"iss": f"http://{place.address}:{place.keys_port}"})
        place.agent.say(do="claims", set={"iss": "http://somebody.else"})
        sandbox = KeysSandbox(place, "weed-refused")
        self.addCleanup(sandbox.stop)
        sandbox.start("/bin/sh", "-c", f"echo ready; read line; curl -sS -o /tmp/body -w '%{{http_code}}' --aws-sigv4 aws:amz:{REGION}:s3 --user "
                      f"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY https://{place.store.name}:{place.store.port}/")
        out, _ = sandbox.process.communicate("\n", timeout=60)
        self.assertEqual(out, "503")
        self.assertTrue(any(place.store.role in event["detail"] for event in sandbox.events("token_not_granted")))


class RunTest(StsCase):
    def test_no_agent_no_keys(self):
        sandbox = self.sandbox("agentless")
        del sandbox.environment["OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET"]
        sandbox.client()
        self.refused(sandbox.put("agentless"))
        self.told(sandbox, "OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET is not set")
        self.assertEqual(self.seen(), ([], []))

    def test_the_program_has_placeholders_alone(self):
        done = self.sandbox("placeholders").run("/bin/sh", "-c", "env | grep ^AWS_", timeout=60)
        names = dict(line.split("=", 1) for line in self.ended_well(done).split())
        self.assertRegex(names["AWS_ACCESS_KEY_ID"], r"^AKIA[A-Z2-7]{16}$")
        self.assertNotEqual(names["AWS_ACCESS_KEY_ID"], Keys.access)
        self.assertEqual(self.seen(), ([], []))  # nobody is asked before a request needs keys
        self.assertNotIn("AWS_SESSION_TOKEN", names)
