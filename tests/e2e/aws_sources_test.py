"""AWS keys that a supervisor gets itself, of each source of the standard chain that its operator names: they sign for a program that has neither
keys nor a way to where they come from."""
import functools
import json
import os
import time

from e2e.canary_test import PROGRAM as CANARY
from e2e.canary_test import as_needles
from e2e.suite import Case
from e2e.support.aws_sources import FIRST_ROLE, METADATA_PORT, OUTSIDE, STORE_ROLE, Instance, Sources, SourceSandbox
from e2e.support.keyward import SIGNING, endpoint, policy
from e2e.support.programs import BOTO3, RAW
from e2e.support.world import BUCKET

PUT_AND_GET = BOTO3 + """
body = os.urandom(100000)
try:
    s3.create_bucket(Bucket=bucket)
except (s3.exceptions.BucketAlreadyExists, s3.exceptions.BucketAlreadyOwnedByYou):
    pass
for key in sys.argv[3:]:
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body, key
print(hashlib.sha256(body).hexdigest())
"""


@functools.lru_cache
def place_of(world):
    return Sources(world)


class SourcesCase(Case):
    limit = 240

    def setUp(self):
        self.place = place_of(self.world)
        self.weed = self.place.weed
        self.addCleanup(self.place.mood)
        self.addCleanup(self.place.metadata)
        self.seen()

    def sandbox(self, name, sources, environment, **more):
        sandbox = SourceSandbox(self.place, name, sources, environment, **more)
        self.addCleanup(sandbox.stop)
        return sandbox

    def put_and_get(self, sandbox, *keys):
        return sandbox.run("/usr/bin/python3", "-c", PUT_AND_GET, f"https://{self.weed.name}:{self.weed.port}", BUCKET, *keys)

    def seen(self):
        lines = self.place.sts.seen()
        return [line for line in lines if "store" not in line], [line for line in lines if "store" in line]

    def refused(self, answer):
        self.assertEqual(answer["status"], 503, answer)
        problem = json.loads(answer["body"])
        self.assertEqual(problem["code"], "credential_missing", problem)
        return problem


class SigningTest(SourcesCase):
    def test_each_source_signs(self):
        for source, environment in self.place.environments().items():
            name = "each-" + source.partition(":")[0]
            with self.subTest(source):
                sandbox = self.sandbox(name, {f"by-{name}": source}, environment)
                self.ended_well(self.put_and_get(sandbox, name))
                signed = [event["unmapped"] for event in sandbox.local.audit_events() if "signing" in event.get("unmapped", {})]
                self.assertEqual({each["credential"] for each in signed}, {f"by-{name}"})
                if source != "web-identity":  # which has keys of its own
                    self.assertEqual({each["key_id_end"] for each in signed}, {self.place.access[-4:]})

    def test_the_server_verifies(self):
        """The control of the test before."""
        environment = {**self.place.environments()["environment"], "AWS_SECRET_ACCESS_KEY": "another"}
        done = self.put_and_get(self.sandbox("wrong", {"own": "environment"}, environment), "wrong")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "SignatureDoesNotMatch|AccessDenied")

    def test_a_second_role_by_a_profile_whose_base_is_a_web_identity(self):
        environment = {**self.place.web_identity(STORE_ROLE), **self.place.shared_files("roles", config=(
            f"[profile first]\nrole_arn = {FIRST_ROLE}\nweb_identity_token_file = {self.place.pod_token}\n"
            f"[profile second]\nrole_arn = {STORE_ROLE}\nsource_profile = first\nexternal_id = {OUTSIDE}\nregion = eu-west-3\n"))}
        del environment["AWS_WEB_IDENTITY_TOKEN_FILE"], environment["AWS_REGION"]
        sandbox = self.sandbox("roles", {"second": "profile:second"}, environment).start()
        self.assertEqual(sandbox.put("roles")["status"], 200)
        (first, second), (stored,) = self.seen()
        self.assertEqual((first["action"], first["role"]), ("AssumeRoleWithWebIdentity", FIRST_ROLE))
        self.assertEqual((second["action"], second["role"], second["caller"], second["region"]), ("AssumeRole", STORE_ROLE, FIRST_ROLE, "eu-west-3"))
        self.assertEqual((stored["status"], stored["session"]), (200, second["given"]))

    def test_without_a_name_nothing_is_looked_up(self):
        environments = self.place.environments()
        sandbox = self.sandbox("unnamed", {}, {**environments["environment"], **environments["web-identity"], **environments["imds"]})
        done = sandbox.run("/bin/sh", "-c", f"curl -sS -H 'accept: application/json' https://{self.weed.name}:{self.weed.port}/; echo; env")
        out = self.ended_well(done)
        self.assertIn("no AWS credentials are bound", out)
        for secret in self.place.secrets().values():
            self.assertNotIn(secret, out)
        self.assertEqual(self.seen(), ([], []))

    def test_with_a_gateway(self):
        gateway, name, weed = self.world.gateway, "aws-sources", self.weed
        folder = self.place.machine.folder("aws-sources-token", 0o700)
        token, audit = os.path.join(folder, "sandbox.jwt"), os.path.join(folder, "audit.jsonl")
        made = gateway.operator("sandbox", "create", name, "--token-out", token, "--policy", self.place.machine.write(
            "aws-sources.yaml", policy([endpoint(weed.name, weed.port, self.place.address, credential_binding={"provider": "pod"}, **SIGNING)]), 0o644))
        self.ended_well(made)
        sandbox = self.sandbox("gateway", {}, {
            **self.place.environments()["web-identity"], "OPENSHELL_ENDPOINT": gateway.endpoint, "OPENSHELL_TLS_CA": os.path.join(gateway.tls, "ca.crt"),
            "OPENSHELL_SANDBOX_TOKEN_FILE": token})
        at = sandbox.options.index("--policy")
        del sandbox.options[at:at + 2]
        sandbox.options[sandbox.options.index("--audit-log") + 1] = audit
        sandbox.options += ["--aws-credentials", "pod=web-identity", "--aws-bind", f"pod={weed.name}:{weed.port}"]
        self.ended_well(self.put_and_get(sandbox, "by-gateway"))
        with open(audit, encoding="utf-8") as file:
            self.assertIn('"credential":"pod"', file.read())


class RenewalTest(SourcesCase):
    def kept(self, name):
        return self.sandbox(name, {"pod": "web-identity"}, self.place.web_identity(STORE_ROLE))

    def test_keys_are_replaced_before_their_end_while_requests_go_on(self):
        self.place.mood(life=15)
        sandbox = self.kept("renewed").start()
        began, statuses = time.monotonic(), []
        while time.monotonic() < began + 30:
            statuses.append(sandbox.put("renewed")["status"])
            time.sleep(0.2)
        self.assertEqual(set(statuses), {200})
        asked, stored = self.seen()
        self.assertGreaterEqual(len({each["session"] for each in stored}), 3)
        self.assertLessEqual({each["session"] for each in stored}, {each["given"] for each in asked})
        self.assertGreater(min(each["left"] for each in stored), 0)

    def test_a_source_that_is_away(self):
        """From the start, and later: the keys that are held serve to their end, nothing is signed without one, and nobody starts anything anew."""
        self.place.mood(refuse={"status": 503, "code": "ServiceUnavailable"})
        sandbox = self.kept("outage").start()
        problem = self.refused(sandbox.put("outage"))
        self.assertEqual(problem["detail"], "the AWS credentials of pod: their source gives none at the moment")
        self.assertTrue(problem["retryable"])
        self.assertIn("ServiceUnavailable", sandbox.events("keys_not_obtained")[0]["detail"])  # the operator's to know
        self.assertEqual(self.seen()[1], [])
        self.place.mood(life=20)
        sandbox.put_until(200, "outage", 60)
        first = self.seen()[0][-1]
        self.place.mood(life=20, refuse={"status": 503, "code": "ServiceUnavailable"})
        while time.time() < first["expires"] - 4:  # renewal is due meanwhile, and cannot be had
            self.assertEqual(sandbox.put("outage")["status"], 200)
            time.sleep(0.2)
        asked, stored = self.seen()
        self.assertIn("ServiceUnavailable", [each.get("error") for each in asked])
        self.assertEqual({each["session"] for each in stored}, {first["given"]})
        self.assertIn("have expired", self.refused(sandbox.put_until(503, "outage"))["detail"])
        self.assertEqual({each["status"] for each in self.seen()[1]} - {200}, set())
        self.place.mood()
        sandbox.put_until(200, "outage", 90)

    def test_a_token_file_that_is_replaced(self):
        self.place.machine.write(self.place.pod_token, "no.token.atall")
        self.addCleanup(self.place.machine.write, self.place.pod_token, self.place.jwt)
        sandbox = self.kept("replaced").start()
        self.refused(sandbox.put("replaced"))
        self.place.machine.write(self.place.pod_token, self.place.jwt)
        sandbox.put_until(200, "replaced", 60)


class HiddenTest(SourcesCase):
    def all_at_once(self, name):
        environments = self.place.environments()
        return self.sandbox(name, {f"own-{number}": source for number, source in enumerate(environments)},
                            {key: value for environment in environments.values() for key, value in environment.items()})

    def test_the_program_finds_nothing_of_them(self):
        sandbox = self.all_at_once("hidden")
        with open(CANARY, encoding="utf-8") as file:
            done = sandbox.run("/usr/bin/python3", "-c", file.read(), "/", timeout=500, text=as_needles(self.place.secrets()))
        out = self.ended_well(done)
        self.assertNotIn("found", out)
        self.assertRegex(out, r"looked [1-9]\d\d+ \d+ [1-9]\d*")
        outside = sandbox.run("/bin/sh", "-c", "env | grep ^AWS_ | cut -d= -f1 | sort")
        self.assertEqual(outside.stdout.split(), ["AWS_ACCESS_KEY_ID", "AWS_CA_BUNDLE", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED", "AWS_SECRET_ACCESS_KEY"])
        with open(self.place.pod_token, encoding="utf-8") as file:
            self.assertEqual(file.read(), self.place.jwt)  # the control: there it is
        for path in (self.place.pod_token, self.place.authorization_file, sandbox.environment["AWS_SHARED_CREDENTIALS_FILE"]):
            self.assertNotEqual(sandbox.run("/bin/cat", path).returncode, 0)

    def test_files_that_anybody_may_read_are_hidden(self):
        home = self.place.machine.folder("aws-home")
        self.place.machine.folder("aws-home/.aws")
        with open(self.place.environments()["profile:work"]["AWS_SHARED_CREDENTIALS_FILE"], encoding="utf-8") as file:
            path = self.place.machine.write("aws-home/.aws/credentials", file.read(), 0o644)
        self.addCleanup(os.unlink, path)
        sandbox = self.sandbox("home", {"own": "profile:work"}, {"HOME": home})
        self.ended_well(self.put_and_get(sandbox, "by-home"))
        done = sandbox.run("/bin/cat", path)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, "")
        control = self.sandbox("home-control", {}, {"HOME": home})
        self.assertIn(self.place.secret, self.ended_well(control.run("/bin/cat", path)))

    def test_the_supervisors_environment_block_keeps_no_secret(self):
        sandbox = self.all_at_once("block").start()
        pids = [sandbox.process.pid]
        for pid in pids:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
                pids += map(int, file.read().split())
        for pid in pids:
            with open(f"/proc/{pid}/environ", "rb") as file:
                block = file.read()
            for secret in (self.place.secret, self.place.session):
                self.assertNotIn(secret.encode(), block)
        self.assertGreaterEqual(len(pids), 3)

    def test_variables_are_not_passed_on(self):
        sandbox = self.all_at_once("passed")
        done = sandbox.run("/bin/true", options=("--env", "AWS_SESSION_TOKEN"))
        self.assertEqual(done.returncode, 125)
        self.assertIn("--env AWS_SESSION_TOKEN: is for --aws-credentials", done.stderr)
        self.assertNotIn(self.place.session, done.stderr)

    def test_the_metadata_services_are_the_supervisors_alone(self):
        """With their own addresses, which the policy even names."""
        instance = Instance(self.place)
        self.addCleanup(instance.close)
        sandbox = self.sandbox("instance", {"machine": "imds"}, {}, prefix=instance.prefix)
        self.ended_well(self.put_and_get(sandbox, "by-instance"))
        container = self.sandbox("task", {"task": "container"}, {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/container/keys",
                                                                 "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.place.authorization}, prefix=instance.prefix)
        self.ended_well(self.put_and_get(container, "by-task"))
        hosts = [*instance.addresses, "meta.keyward.test"]
        names = policy([endpoint(host, 80, self.place.address) for host in hosts])
        at = sandbox.options.index("--policy")
        sandbox.options[at + 1] = self.place.machine.write("aws-metadata.yaml", names, 0o644)
        sandbox.options += ["--host-alias", "meta.keyward.test=169.254.169.254"]
        out = self.ended_well(sandbox.run("/usr/bin/python3", "-c", RAW + f"""
def plain(host):
    with socket.create_connection((PROXY.hostname, PROXY.port), 30) as raw:
        raw.sendall(f"GET http://{{host}}/latest/meta-data/ HTTP/1.1\\r\\nHost: {{host}}\\r\\n\\r\\n".encode())
        return answer_of(raw)[0]
def direct(host):
    try:
        socket.create_connection((host, 80), 5).close()
    except OSError as error:
        return error.errno
print(json.dumps([[tunnel(host, 80)[1], plain(host)] for host in {hosts!r}] + [direct(host) for host in {list(instance.addresses)!r}]))
"""))
        self.assertEqual(json.loads(out), [[403, 403]] * 3 + [101] * 2)  # ENETUNREACH


class RefusalTest(SourcesCase):
    def no_start(self, name, source, environment, *words):
        done = self.sandbox(name, {"own": source}, environment).run("/bin/echo", "STARTED")
        self.assertEqual((done.returncode, done.stdout), (125, ""), done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_a_credential_process_is_not_started(self):
        mark = os.path.join(self.place.folder, "was-started")
        program = self.place.machine.write("secrets/aws-process.sh", f"#!/bin/sh\ntouch {mark}\n", 0o700)
        files = self.place.shared_files("process", config=(
            f"[default]\ncredential_process = {program}\n[profile role]\nrole_arn = {FIRST_ROLE}\nsource_profile = default\n"))
        for source in ("chain", "profile:default", "profile:role"):
            with self.subTest(source):
                self.no_start("process", source, files, "--aws-credentials own: ", "credential_process is for the gateway and sigv4-proxy only")
        self.assertFalse(os.path.exists(mark))

    def test_what_is_named_and_not_there(self):
        self.no_start("absent", "web-identity", {}, "--aws-credentials own: AWS_WEB_IDENTITY_TOKEN_FILE is not set")
        self.no_start("absent", "environment", {"AWS_ACCESS_KEY_ID": self.place.access}, "AWS_SECRET_ACCESS_KEY must be set both")
        self.no_start("absent", "profile:nobody", self.place.shared_files("nobody"), "profile nobody is not in the shared files")
        self.no_start("absent", "ec2", {}, "must be chain, environment, profile:NAME")
        self.no_start("absent", "chain", {"AWS_CONFIG_FILE": "/nowhere/config"}, "/nowhere/config")

    def test_a_role_that_does_not_trust_the_pod(self):
        sandbox = self.sandbox("untrusted", {"own": "web-identity"}, self.place.web_identity("arn:aws:iam::123456789012:role/nobody")).start()
        self.refused(sandbox.put("untrusted"))
        self.assertIn("AccessDenied", sandbox.events("keys_not_obtained")[0]["detail"])
        self.assertEqual(self.seen()[1], [])


class DoctorTest(SourcesCase):
    def aws(self, said):
        return [(check["health"], check["detail"]) for check in said["checks"] if check["check"] == "aws"]

    def test_which_source_was_found(self):
        environments = self.place.environments()
        found = {}
        for source, environment in environments.items():
            said = self.sandbox("doctor", {"own": source}, environment).doctor()
            (health, detail), = self.aws(said)
            self.assertEqual(health, "ok", said)
            self.assertIn("gives the key …" + ("" if source == "web-identity" else self.place.access[-4:]), detail)
            found[source] = detail
            for secret in (self.place.secret, self.place.session, self.place.jwt):
                self.assertNotIn(secret, json.dumps(said))
        for source, words in {"environment": "own: environment", "profile:work": "own: profile work", "web-identity": f"own: web identity of {self.weed.role}",
                              "container": "own: container", "imds": "own: instance"}.items():
            self.assertTrue(found[source].startswith(words), found)
        chain = self.sandbox("doctor", {"own": "chain"}, environments["imds"]).doctor()
        self.assertTrue(self.aws(chain)[0][1].startswith("own: instance"), chain)

    def test_what_is_wrong(self):
        self.place.metadata(refuse=500)
        self.place.mood(refuse={"status": 403, "code": "AccessDenied"})
        environments = self.place.environments()
        for source, environment, word in (("imds", environments["imds"], "instance: gives no session: 500"), ("container", environments["container"], "container: answered 500"),
                                          ("web-identity", self.place.web_identity(STORE_ROLE), "STS answered 403: AccessDenied"), ("web-identity", {}, "AWS_WEB_IDENTITY_TOKEN_FILE is not set"),
                                          ("imds", {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{METADATA_PORT + 1}"}, "instance: ")):
            with self.subTest(word):
                said = self.sandbox("doctor", {"own": source}, environment).doctor()
                (health, detail), = self.aws(said)
                self.assertEqual((health, said["ok"]), ("fix", False))
                self.assertIn(word, detail)
