"""Gateway mode: the token proves which sandbox it is, policy and keys come from the gateway, and its troubles stay its own."""
import json
import os
import signal
import time

from e2e.suite import Case
from e2e.support.gateway_mode import GatewayMode
from e2e.support.keyward import Gateway
from e2e.support.machine import wait_until
from e2e.support.pki import Pki
from e2e.support.programs import BOTO3
from e2e.support.s3_servers import Keys

ENDPOINT = "https://judge.keyward.test:7443"
# One request per line of standard input; its status on standard output.
TALKER = BOTO3 + """
print("ready", flush=True)
for n, line in enumerate(sys.stdin):
    try:
        s3.put_object(Bucket=bucket, Key=f"talk-{n}", Body=b"x" * 100)
        print("done", flush=True)
    except Exception as error:
        print("failed", type(error).__name__, str(error)[:200], flush=True)
"""


class GatewayTest(Case):
    def sandbox(self, name, gateway=None):
        return GatewayMode(self.world, gateway or self.world.gateway, name, self.world.judge)

    def own_gateway(self, label, port, options=()):
        gateway = Gateway(self.world.machine, label, port, options).start()
        self.addCleanup(gateway.stop)
        return gateway

    def talker(self, sandbox):
        process = sandbox.start("/usr/bin/python3", "-uc", TALKER, ENDPOINT, "demo")
        self.addCleanup(self.world.machine.stop, process)
        self.assertEqual(process.stdout.readline(), "ready\n", "" if process.poll() is None else process.stderr.read())
        return process

    def say(self, process):
        process.stdin.write("go\n")
        return process.stdout.readline().strip()

    def test_the_main_job(self):
        sandbox = self.sandbox("main-job")
        out = self.ended_well(sandbox.python(BOTO3 + """
s3.put_object(Bucket=bucket, Key="by-gateway", Body=b"g" * 1000000)
print(len(s3.get_object(Bucket=bucket, Key="by-gateway")["Body"].read()), os.environ["AWS_ACCESS_KEY_ID"])
""", ENDPOINT, "demo"))
        self.assertIn("1000000 AKIA", out)
        self.assertNotIn(Keys.access, out)
        self.assertIn(f"Credential={Keys.access}/", self.world.judge.requests("PUT", "/demo/by-gateway")[-1]["authorization"])

    def test_the_token_by_the_environment(self):
        sandbox = self.sandbox("env-token")
        with open(sandbox.token_file, encoding="utf-8") as file:
            token = file.read().strip()
        del sandbox.environment["OPENSHELL_SANDBOX_TOKEN_FILE"]
        done = sandbox.run("/bin/sh", "-c", "env; cat /proc/self/environ", env={"OPENSHELL_SANDBOX_TOKEN": token})
        self.assertNotIn(token, self.ended_well(done))
        self.assertNotIn("OPENSHELL_", done.stdout)

    def test_how_the_program_ended_is_told(self):
        gateway = self.own_gateway("told", 17675)
        sandbox = self.sandbox("ends", gateway)
        record = lambda: json.loads(sandbox.must("sandbox", "get", sandbox.name, "--json"))
        self.assertIsNone(record()["exit_code"])
        for script, code in (("exit 7", 7), ("kill -9 $$", 137), ("true", 0)):
            self.assertEqual(sandbox.run("/bin/sh", "-c", script).returncode, code)
            self.assertEqual(record()["exit_code"], code)
        process = sandbox.start("/bin/sh", "-c", "echo up; read line; exit 9")
        self.assertEqual(process.stdout.readline(), "up\n")
        gateway.kill()  # then nobody can be told, and the program's exit code is the supervisor's all the same
        process.stdin.write("go\n")
        _, told = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 9)
        self.assertIn("exit_not_reported", told)

    def test_the_supervisors_log_is_the_operators_to_read(self):
        sandbox = self.sandbox("logging")
        self.ended_well(sandbox.run("/bin/sh", "-c", "echo the programs own words; echo and more >&2"))
        lines = [json.loads(line) for line in sandbox.must("sandbox", "logs", sandbox.name, "--json").splitlines()]
        self.assertIn("policy_loaded", [line["message"] for line in lines])
        self.assertEqual([line["number"] for line in lines], list(range(1, len(lines) + 1)))
        self.assertNotIn("the programs own words", json.dumps(lines))
        self.assertIn('"policy_loaded"', sandbox.must("sandbox", "logs", sandbox.name))
        self.ended_well(sandbox.run("/bin/true", env={"OPENSHELL_LOG_PUSH_LEVEL": "off"}))
        self.assertEqual(len(sandbox.must("sandbox", "logs", sandbox.name, "--json").splitlines()), len(lines))
        self.refused(sandbox.run("/bin/echo", "STARTED", env={"OPENSHELL_LOG_PUSH_LEVEL": "loud"}), "OPENSHELL_LOG_PUSH_LEVEL")
        self.assertEqual(self.world.gateway.operator("sandbox", "logs", "nobody").returncode, 5)

    def test_a_gateway_certificate_of_another_ca(self):
        sandbox = self.sandbox("other-ca")
        stranger = Pki(self.world.machine.folder("other-ca"), "Another CA")
        done = sandbox.run("/bin/echo", "STARTED", env={"OPENSHELL_TLS_CA": stranger.ca})
        self.refused(done, "OPENSHELL_TLS_CA")

    def test_a_client_certificate(self):
        gateway = self.own_gateway("asks-for-one", 17674, ("--request-client-certificate",))
        sandbox = self.sandbox("certified", gateway)
        shown = {f"OPENSHELL_TLS_{name}": os.path.join(gateway.tls, "client", file) for name, file in (("CERT", "tls.crt"), ("KEY", "tls.key"))}
        self.ended_well(sandbox.run("/bin/true"))  # none is shown: the token alone says who calls
        out = self.ended_well(sandbox.run("/bin/sh", "-c", f"env; cat {shown['OPENSHELL_TLS_KEY']} || true", env=shown))
        self.assertNotIn("OPENSHELL_", out)
        self.assertNotIn("PRIVATE KEY", out)
        stranger = Pki(self.world.machine.folder("strangers-client", 0o700), "Another CA")
        certificate, key = stranger.issue("openshell-client")
        done = sandbox.run("/bin/echo", "STARTED", env={"OPENSHELL_TLS_CERT": certificate, "OPENSHELL_TLS_KEY": key})
        self.refused(done, gateway.endpoint)

    def test_an_unreachable_gateway(self):
        sandbox = self.sandbox("unreachable")
        self.refused(sandbox.run("/bin/echo", "STARTED", env={"OPENSHELL_ENDPOINT": "https://127.0.0.1:9"}), "127.0.0.1:9")

    def test_a_token_of_another_gateway(self):
        other = self.own_gateway("other-gateway", 17671)
        stranger = self.sandbox("stranger", other)
        sandbox = self.sandbox("victim")
        self.refused(sandbox.run("/bin/echo", "STARTED", env={"OPENSHELL_SANDBOX_TOKEN_FILE": stranger.token_file}), "token")

    def refused(self, done, *words):
        shown = f"exit {done.returncode}, stdout {done.stdout!r}, stderr:\n{done.stderr}"
        self.assertEqual(done.returncode, 125, shown)
        self.assertNotIn("STARTED", done.stdout)
        lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]  # events tell of retries
        self.assertEqual(len(lines), 1, shown)
        for word in words:
            self.assertIn(word, lines[0])

    def test_requests_go_on_while_the_gateway_is_gone_and_refresh_recovers(self):
        gateway = self.own_gateway("mortal-gateway", 17672)
        sandbox = self.sandbox("survivor", gateway)
        process = self.talker(sandbox)
        self.assertEqual(self.say(process), "done")
        gateway.kill()
        self.assertEqual(self.say(process), "done")
        self.assertEqual(sandbox.debug_rpc("refresh").returncode, 14)
        self.assertEqual(self.say(process), "done")
        gateway.start()
        wait_until(lambda: sandbox.debug_rpc("refresh").returncode == 0, 60, "refresh after the gateway came back")
        self.assertEqual(self.say(process), "done")

    def test_requests_go_on_while_the_gateway_is_stopped(self):
        gateway = self.own_gateway("frozen-gateway", 17673)
        sandbox = self.sandbox("patient", gateway)
        process = self.talker(sandbox)
        os.kill(gateway.process.pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            self.assertEqual([self.say(process) for _ in range(5)], ["done"] * 5)
            self.assertLess(time.monotonic() - started, 30)
        finally:
            os.kill(gateway.process.pid, signal.SIGCONT)
        self.assertEqual(self.say(process), "done")

    def test_debug_rpc_exit_codes(self):
        sandbox, other = self.sandbox("asker"), self.sandbox("other")
        process = self.talker(sandbox)
        own, foreign = sandbox.sandbox_id, other.sandbox_id
        for arguments, code in ((("show-principal",), 0), (("show-token",), 0), (("refresh",), 0),
                                (("get-sandbox-config", "--sandbox-id", own), 0),
                                (("get-sandbox-config", "--sandbox-id", foreign), 7)):
            with self.subTest(arguments):
                done = sandbox.debug_rpc(*arguments)
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn(own, sandbox.debug_rpc("show-principal").stdout)
        self.assertEqual(self.say(process), "done")

    def test_show_token_shows_a_fingerprint_only(self):
        sandbox = self.sandbox("fingerprint")
        process = self.talker(sandbox)
        with open(sandbox.token_file, encoding="utf-8") as file:
            signature = file.read().strip().split(".")[2]
        done = sandbox.debug_rpc("show-token")
        self.assertNotIn(signature, done.stdout + done.stderr)
        self.assertEqual(self.say(process), "done")

    def test_a_refreshed_token_kills_the_old_one(self):
        sandbox = self.sandbox("refresher")
        with open(sandbox.token_file, encoding="utf-8") as file:
            stolen = file.read()
        process = self.talker(sandbox)
        self.assertEqual(sandbox.debug_rpc("refresh").returncode, 0)
        self.assertEqual(sandbox.debug_rpc("get-sandbox-config", "--sandbox-id", sandbox.sandbox_id).returncode, 0)
        self.world.machine.folder("stolen", 0o700)
        copy = self.world.machine.write("stolen/token", stolen)
        self.refused(sandbox.run("/bin/echo", "STARTED", env={"OPENSHELL_SANDBOX_TOKEN_FILE": copy}, options=("--user", "59124")), "token")
        self.assertEqual(self.say(process), "done")

    def test_debug_rpc_is_useless_inside(self):
        sandbox = self.sandbox("insider")
        import shutil
        from e2e.support.keyward import SUPERVISOR
        copy = os.path.join(self.world.machine.shared, "supervisor")
        shutil.copy(SUPERVISOR, copy)
        done = sandbox.run(copy, "debug-rpc", "show-token", "--raw")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, "")

    def test_a_deleted_sandbox_is_refused(self):
        sandbox = self.sandbox("deleted")
        sandbox.must("sandbox", "delete", "deleted")
        self.refused(sandbox.run("/bin/echo", "STARTED"), "")
