"""`supervisor doctor`: each fault is made, and named; and nothing is changed by looking."""
import base64
import functools
import json
import os
import pty
import shutil
import socket
import subprocess
import tempfile
import time

from e2e.suite import Case
from e2e.support.gateway_mode import worthless_token
from e2e.support.idle_sandbox import IdleSandbox
from e2e.support.keyward import ENVIRONMENT, SUPERVISOR, Gateway
from e2e.support.machine import wait_until
from e2e.support.other_gateway import OtherGateway
from e2e.support.spiffe import DOMAIN, ID, Agent
from e2e.support.tls_front import Front

AGENT = "OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET"


class Place:
    def __init__(self, world):
        self.machine, self.pki = world.machine, world.pki
        self.agent = Agent(world.machine, "doctor-agent")
        self.gateway = Gateway(world.machine, "doctor-gateway", 17679).start()
        self.sandbox = IdleSandbox(self.gateway, "doctor", self.gateway.endpoint, self.agent)
        self.sandbox.environment["OPENSHELL_TLS_CA"] = os.path.join(self.gateway.tls, "ca.crt")


@functools.lru_cache
def place_of(world):
    return Place(world)


class DoctorCase(Case):
    limit = 180

    def setUp(self):
        self.place = place_of(self.world)
        self.machine, self.agent, self.sandbox = self.place.machine, self.place.agent, self.place.sandbox
        self.addCleanup(self.agent.say, do="entries", entries=[{"id": ID}])
        self.addCleanup(self.agent.say, do="fail", code=0)
        self.addCleanup(self.agent.say, do="answer", name="")

    def command(self, *options, prefix=(), program=SUPERVISOR):
        usual = zip(self.sandbox.options[::2], self.sandbox.options[1::2])
        return [*prefix, program, "doctor", *(word for name, value in usual if name not in options for word in (name, value)), *options]

    def look(self, *options, prefix=(), program=SUPERVISOR, only=None, **changes):
        """{check: findings}; an empty value takes a variable away.  `only`: the whole environment."""
        environment = only if only is not None else {name: value for name, value in {**self.sandbox.environment, **changes}.items() if value}
        done = subprocess.run(self.command("--json", *options, prefix=prefix, program=program), capture_output=True, text=True, timeout=120, env=environment)
        said = json.loads(done.stdout)
        self.assertEqual((done.returncode, done.stderr), (0 if said["ok"] else 1, ""), said)
        self.assertEqual(said["ok"], all(check["health"] != "fix" for check in said["checks"]))
        with open(self.sandbox.token_file, encoding="utf-8") as file:
            self.assertNotIn(file.read().split(".")[2].strip(), done.stdout)
        found = {}
        for check in said["checks"]:
            self.assertTrue(check["detail"].isprintable(), check)
            found.setdefault(check["check"], []).append(check)
        return found

    def to_fix(self, found):
        return {check for check, findings in found.items() if any(each["health"] == "fix" for each in findings)}

    def fault(self, found, check, *words):
        """That check, and no other, is to be fixed, for that reason."""
        self.assertEqual(self.to_fix(found), {check}, found)
        details = " ".join(each["detail"] for each in found[check] if each["health"] == "fix")
        for word in words:
            self.assertIn(word, details)


class HealthyTest(DoctorCase):
    def test_nothing_to_fix(self):
        found = self.look()
        self.assertEqual(self.to_fix(found), set(), found)
        for check, words in (("policy", "the gateway gives it"), ("user", "59411"), ("sandbox", "built and confined"), ("proxy", "127.0.0.1:3128"),
                             ("token", self.sandbox.id), ("gateway", "answers"), ("clock", "within"), ("access", "takes the token"), ("audit", "audit.jsonl"),
                             ("spiffe", ID)):
            self.assertIn(words, found[check][0]["detail"])
        self.assertIn(f"{DOMAIN} (JWT), {DOMAIN} (X.509)", found["spiffe"][0]["detail"])

    def test_nothing_is_changed(self):
        def state():
            with open(self.sandbox.token_file, encoding="utf-8") as file:
                return file.read(), os.stat(self.sandbox.token_file).st_mtime_ns, sorted(os.listdir(self.sandbox.folder)), os.path.exists("/etc/openshell-tls")
        def asked():
            with open(os.path.join(self.place.gateway.folder, "audit.jsonl"), encoding="utf-8") as file:
                return [json.loads(line)["api"]["operation"] for line in file if self.sandbox.id in line]
        before, calls = state(), asked()
        self.agent.seen()
        self.look()
        self.assertEqual(state(), before)
        self.assertEqual(asked()[len(calls):], ["GetSandboxConfig"])
        self.assertEqual({call["method"] for call in self.agent.seen()["calls"]}, {"FetchX509SVID", "FetchX509Bundles", "FetchJWTBundles"})

    def test_beside_the_supervisor_that_runs(self):
        self.addCleanup(self.sandbox.stop)
        self.sandbox.start()
        found = self.look()
        self.assertEqual(self.to_fix(found), set(), found)
        self.assertIn("is in use, and a supervisor runs here", found["user"][0]["detail"])
        self.assertIn("holds it for sandbox " + self.sandbox.id, found["token"][0]["detail"])
        self.assertIn("takes the token", found["access"][0]["detail"])

    def test_local_mode(self):
        good = self.machine.write("doctor-good.yaml", "version: 1\nnetwork_policies: {}\n", 0o644)
        found = self.look("--policy", good, only=ENVIRONMENT)
        self.assertEqual(self.to_fix(found), set(), found)
        self.assertNotIn("gateway", found)
        self.assertIn("not used", found["spiffe"][0]["detail"])
        neither = self.look(only=ENVIRONMENT)
        self.assertEqual([each["health"] for each in neither["policy"]], ["note"])

    def test_for_people(self):
        done = subprocess.run(self.command(), capture_output=True, text=True, timeout=60, env=self.sandbox.environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn("\x1b", done.stdout)
        self.assertTrue(done.stdout.endswith("\nnothing to fix\n"), done.stdout)
        self.assertRegex(done.stdout, r"(?m)^ok +gateway +https://")
        self.assertIn("\x1b[32mok\x1b[0m", self.on_a_terminal({}))
        self.assertNotIn("\x1b", self.on_a_terminal({"NO_COLOR": "1"}))

    def on_a_terminal(self, changes):
        master, slave = pty.openpty()
        process = subprocess.Popen(self.command(), stdout=slave, stderr=slave, stdin=subprocess.DEVNULL, env={**self.sandbox.environment, **changes})
        os.close(slave)
        shown = b""
        try:
            while chunk := os.read(master, 65536):
                shown += chunk
        except OSError:  # the other end is closed
            pass
        os.close(master)
        self.assertEqual(process.wait(60), 0, shown)
        return shown.decode()

    def test_options_that_are_not_understood(self):
        for options in (["--nonsense"], ["program"], ["--proxy-port", "0"]):
            done = subprocess.run(self.command(*options), capture_output=True, text=True, timeout=60, env=self.sandbox.environment)
            self.assertEqual((done.returncode, done.stdout), (125, ""), done.stderr)


class MachineTest(DoctorCase):
    def without(self, capability):
        return ["setpriv", f"--bounding-set=-{capability}", f"--inh-caps=-{capability}"]

    def test_privileges_that_are_missing(self):
        for capability, words in (("sys_admin", "CAP_SYS_ADMIN"), ("setpcap", "CAP_SETPCAP"), ("setuid", "CAP_SETUID"), ("setgid", "CAP_SETGID")):
            with self.subTest(capability=capability):
                self.fault(self.look(prefix=self.without(capability)), "sandbox", words)
        found = self.look("--proxy-port", "80", prefix=self.without("net_bind_service"))
        self.fault(found, "sandbox", "127.0.0.1:80")

    def test_nobody_of_importance(self):
        folder = tempfile.mkdtemp(prefix="keyward-doctor-", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        program = shutil.copy(SUPERVISOR, folder)
        found = self.look("--user", "59412", program=program, prefix=["setpriv", "--reuid=59413", "--regid=59413", "--clear-groups"])
        self.assertLessEqual({"sandbox", "gateway", "audit", "spiffe"}, self.to_fix(found))  # all of it is root's

    def test_a_kernel_that_lacks_something(self):
        for syscall, error, words in (("landlock_create_ruleset", "ENOSYS", "andlock"), ("unshare", "EINVAL", "namespace"), ("seccomp", "EINVAL", "seccomp")):
            with self.subTest(syscall=syscall):
                prefix = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={syscall}", "-e", f"inject={syscall}:error={error}"]
                self.fault(self.look(prefix=prefix), "sandbox", words)

    def test_the_user(self):
        self.fault(self.look("--user", "nobody-of-this-name"), "user", "/etc/passwd")
        self.fault(self.look("--user", "0"), "user", "root")
        other = subprocess.Popen(["setpriv", "--reuid=59414", "--regid=59414", "--clear-groups", "sleep", "60"])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        wait_until(lambda: open(f"/proc/{other.pid}/comm", encoding="utf-8").read() == "sleep\n", 20, "a process of that user")
        self.fault(self.look("--user", "59414"), "user", f"process {other.pid} already runs")

    def test_the_policy(self):
        for text, words in (("version: 1\nnetwork_policies: [\n", "doctor-bad.yaml"), ("version: 1\nno_such_key: 1\n", "no_such_key")):
            file = self.machine.write("doctor-bad.yaml", text, 0o644)
            self.fault(self.look("--policy", file, only=ENVIRONMENT), "policy", words)
        self.fault(self.look("--policy", "/nowhere/policy.yaml", only=ENVIRONMENT), "policy", "/nowhere/policy.yaml")
        self.fault(self.look("--policy", file), "policy", "--policy", "OPENSHELL_ENDPOINT")

    def test_files(self):
        self.fault(self.look("--hide", "/nowhere/secret"), "sandbox", "/nowhere/secret")
        self.fault(self.look("--hide", "/etc/passwd"), "sandbox", "directory of its own")
        self.fault(self.look("--audit-log", "/proc/audit/audit.jsonl"), "audit", "not writable")
        self.fault(self.look("--audit-log", self.sandbox.folder), "audit", "no regular file")
        empty = self.machine.write("doctor-empty.pem", "nothing\n", 0o644)
        self.fault(self.look("--upstream-ca-only", empty), "proxy", "doctor-empty.pem")
        self.fault(self.look("--grant-range", "everywhere"), "grants", "everywhere")
        self.fault(self.look("--grant-pin", "as.example=sha256/AAAA"), "grants", "as.example")


class TokenTest(DoctorCase):
    def token(self, text, mode=0o600):
        return {"OPENSHELL_SANDBOX_TOKEN_FILE": self.machine.write("secrets/doctor.jwt", text, mode)}

    def claims(self, **changes):
        header, claims, signature = worthless_token().split(".")
        claims = {**json.loads(base64.urlsafe_b64decode(claims + "==")), **changes}
        return f"{header}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.{signature}"

    def test_sources_that_are_no_good(self):
        self.fault(self.look(OPENSHELL_SANDBOX_TOKEN_FILE=""), "token", "OPENSHELL_SANDBOX_TOKEN_FILE", "OPENSHELL_K8S_SA_TOKEN_FILE")
        self.fault(self.look(**self.token("secret-text-that-is-no-token")), "token", "does not hold a sandbox token")
        self.fault(self.look(**self.token(worthless_token(), 0o644)), "token", "doctor.jwt")
        self.fault(self.look(**self.token(self.claims(iat=1, exp=2))), "token", "expired")
        self.fault(self.look(OPENSHELL_SANDBOX_ID="00000000-0000-4000-8000-000000000000"), "token", "OPENSHELL_SANDBOX_ID")

    def test_which_one_is_used(self):
        with open(self.sandbox.token_file, encoding="utf-8") as file:
            token = file.read().strip()
        self.assertIn("from OPENSHELL_SANDBOX_TOKEN,", self.look(OPENSHELL_SANDBOX_TOKEN=token)["token"][0]["detail"])
        self.assertIn("from OPENSHELL_SANDBOX_TOKEN_FILE,", self.look()["token"][0]["detail"])
        account = self.machine.write("secrets/doctor-account.jwt", "header.claims.signature", 0o644)
        found = self.look(OPENSHELL_SANDBOX_TOKEN_FILE="", OPENSHELL_K8S_SA_TOKEN_FILE=account)
        self.assertIn("that is not tried", found["token"][0]["detail"])
        self.assertNotIn("access", found)

    def test_one_that_the_gateway_does_not_take(self):
        self.fault(self.look(**self.token(worthless_token())), "access", "gateway sandbox token NAME")
        gone = IdleSandbox(self.place.gateway, "doctor-gone", self.place.gateway.endpoint, self.agent)
        gone.must("sandbox", "delete", "doctor-gone")
        self.fault(self.look(OPENSHELL_SANDBOX_TOKEN_FILE=gone.token_file), "access")

    def test_clocks(self):
        now = int(time.time())
        found = self.look(**self.token(self.claims(iat=now + 3600, exp=now + 7200)))
        self.assertLessEqual({"clock"}, self.to_fix(found))
        self.assertIn("from the future", found["clock"][0]["detail"])
        other = OtherGateway(self.world, "doctor-clock", 17680)
        self.addCleanup(other.close)
        environment = {"OPENSHELL_ENDPOINT": f"https://127.0.0.1:{other.port}", "OPENSHELL_TLS_CA": self.place.pki.ca, **self.token(other.mint())}
        self.assertEqual(self.to_fix(self.look(**environment)), set())
        for ahead, words in ((3600, "behind"), (-3600, "ahead")):
            other.set(ahead_seconds=ahead)
            self.fault(self.look(**environment), "clock", words, "time servers")
        self.assertEqual({call["method"] for call in other.calls()}, {"Health", "GetSandboxConfig"})


class GatewayTest(DoctorCase):
    def front(self, certificate, clients=None):
        front = Front(self.place.gateway, certificate, clients)
        self.addCleanup(front.close)
        return front

    def test_what_is_set_wrongly(self):
        for changes, words in (({"OPENSHELL_ENDPOINT": "gateway:17670"}, "OPENSHELL_ENDPOINT"), ({"OPENSHELL_ENDPOINT": "http://gateway:17670"}, "clear text"),
                               ({"OPENSHELL_TLS_CA": ""}, "OPENSHELL_TLS_CA"), ({"OPENSHELL_TLS_CA": "/nowhere/ca.crt"}, "/nowhere/ca.crt"),
                               ({"OPENSHELL_TLS_CERT": "/nowhere/tls.crt"}, "/nowhere/tls.crt")):
            with self.subTest(changes=changes):
                self.fault(self.look(**changes), "gateway", words)

    def test_one_that_is_not_there(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            self.fault(self.look(OPENSHELL_ENDPOINT=f"https://127.0.0.1:{unused.getsockname()[1]}"), "gateway", "is it running?")
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        self.assertIn("gateway", self.to_fix(self.look(OPENSHELL_ENDPOINT=f"https://127.0.0.1:{silent.getsockname()[1]}")))

    def test_its_certificate(self):
        self.fault(self.look(OPENSHELL_TLS_CA=self.place.pki.ca), "gateway", "no certificate of the CA in OPENSHELL_TLS_CA")
        self.fault(self.look(OPENSHELL_GATEWAY_TLS_SERVER_NAME="other.example"), "gateway", "OPENSHELL_GATEWAY_TLS_SERVER_NAME")
        front = self.front(self.place.pki.issue("127.0.0.1"), self.agent.say(do="x509-bundle", domain=DOMAIN)["pem"])
        there = {"OPENSHELL_ENDPOINT": front.endpoint, "OPENSHELL_TLS_CA": self.place.pki.ca}
        self.assertIn("gateway", self.to_fix(self.look(**there)))
        self.assertEqual(self.to_fix(self.look("--gateway-client-identity", "spiffe", **there)), set())

    def test_its_identity(self):
        issued = self.agent.say(do="issue", id=f"spiffe://{DOMAIN}/gateway", ttl=600)
        front = self.front(tuple(self.machine.write(f"secrets/doctor-gateway.{kind}", issued[kind]) for kind in ("certificate", "key")))
        there = {"OPENSHELL_ENDPOINT": front.endpoint, "OPENSHELL_TLS_CA": ""}
        self.assertEqual(self.to_fix(self.look("--gateway-spiffe-id", f"spiffe://{DOMAIN}/gateway", **there)), set())
        self.fault(self.look("--gateway-spiffe-id", f"spiffe://{DOMAIN}/other", **there), "gateway", "another identity")


class AgentTest(DoctorCase):
    def agent_fault(self, verdict, words, *options, **changes):
        found = self.look(*options, **changes)
        self.assertIn("spiffe", self.to_fix(found), found)
        finding = next(each for each in found["spiffe"] if each["health"] == "fix")
        self.assertEqual(finding["verdict"], verdict, finding)
        self.assertIn(words, finding["detail"])
        return found

    def test_the_endpoints_form(self):
        for endpoint, words in (("tcp://127.0.0.1:8081", "tcp:"), ("unix:agent.sock", "absolute path"), ("unix-abstract:agent", "abstract")):
            with self.subTest(endpoint=endpoint):
                self.agent_fault("misconfigured", words, **{AGENT: endpoint})
        self.agent_fault("misconfigured", "SPIFFE_ENDPOINT_SOCKET", **{AGENT: "", "SPIFFE_ENDPOINT_SOCKET": "tcp://127.0.0.1:8081"})

    def test_the_socket(self):
        folder = self.machine.folder("doctor-sockets", 0o700)
        self.agent_fault("retry", "is the SPIFFE agent running?", **{AGENT: os.path.join(folder, "none.sock")})
        self.agent_fault("misconfigured", "is no socket", **{AGENT: self.machine.write("doctor-sockets/file.sock", "")})
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(os.path.join(folder, "dead.sock"))
        self.fault(self.look(**{AGENT: os.path.join(folder, "dead.sock")}), "spiffe", "not ready or not there")

    def test_what_the_agent_says(self):
        for code, verdict in ((7, "not_registered"), (14, "retry"), (3, "misconfigured"), (12, "misconfigured"), (16, "misconfigured")):
            self.agent.say(do="fail", code=code, text="as the test wants it")
            with self.subTest(code=code):
                self.agent_fault(verdict, "as the test wants it")
        self.agent.say(do="fail", code=0)
        self.agent_fault("not_registered", "no X.509-SVID of the identity", "--spiffe-id", f"spiffe://{DOMAIN}/somebody-else")
        for answer, words in (("empty", "no X.509-SVID"), ("expired", "expired"), ("wrong-key", "not the certificate's")):
            self.agent.say(do="answer", name=answer)
            with self.subTest(answer=answer):
                self.assertIn("spiffe", self.to_fix(self.look()))

    def test_a_directory_that_others_need(self):
        with socket.socket(socket.AF_UNIX) as listener:
            path = f"/opt/keyward-doctor-{os.getpid()}.sock"
            listener.bind(path)
            self.addCleanup(os.unlink, path)
            found = self.look(**{AGENT: path})
        self.assertEqual(self.to_fix(found), {"sandbox", "spiffe"})
        self.assertIn("directory of its own", found["sandbox"][0]["detail"])
