"""Each mistake ends with one line that names the cause and the remedy, a documented exit code, and nothing started."""
import os
import subprocess

from e2e.suite import Case
from e2e.support.gateway_mode import worthless_token
from e2e.support.keyward import ENVIRONMENT, SUPERVISOR, endpoint, policy

OWN_FAILURE, LAYER_MISSING, NOT_EXECUTABLE, NOT_FOUND = 125, 78, 126, 127


class BadInputTest(Case):
    def setUp(self):
        self.machine = self.world.machine
        self.good = self.machine.write("good.yaml", policy([endpoint("a.test", 443, self.machine.network().there)]), 0o644)

    def supervisor(self, *arguments, env=None, wrap=(), program=None):
        audit = os.path.join(self.machine.folder("bad-audit", 0o700), "audit.jsonl")
        program = program or ["/bin/sh", "-c", "echo STARTED"]
        return subprocess.run([*wrap, SUPERVISOR, "run", "--audit-log", audit, *arguments, "--", *program], capture_output=True,
                              text=True, env={**ENVIRONMENT, **(env or {})}, stdin=subprocess.DEVNULL, timeout=60)

    def refused(self, done, code, *words):
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        shown = f"exit {done.returncode}, stdout {done.stdout!r}, stderr:\n{done.stderr}"
        self.assertEqual(done.returncode, code, shown)
        self.assertEqual(len(lines), 1, shown)
        for word in words:
            self.assertIn(word, lines[0])
        self.assertNotIn("STARTED", done.stdout)

    def gateway_env(self, **more):
        return {"OPENSHELL_ENDPOINT": "https://127.0.0.1:9", "OPENSHELL_TLS_CA": self.world.pki.ca, **more}

    def test_the_control_works(self):
        done = self.supervisor("--policy", self.good)
        self.assertEqual((done.returncode, done.stdout), (0, "STARTED\n"), done.stderr)

    def test_a_policy_with_an_unknown_key(self):
        file = self.machine.write("bad.yaml", "version: 1\nnetwork_policies:\n  a:\n    endpoints:\n      - host: a.test\n"
                                              "        port: 443\n        colour: red\n", 0o644)
        self.refused(self.supervisor("--policy", file), OWN_FAILURE, "bad.yaml:7:", "colour")

    def test_a_policy_with_a_key_not_served_yet(self):
        file = self.machine.write("later.yaml", "version: 1\nnetwork_policies:\n  a:\n    endpoints:\n      - host: a.test\n"
                                                "        port: 443\n        protocol: graphql\n        access: full\n", 0o644)
        self.refused(self.supervisor("--policy", file), OWN_FAILURE, "later.yaml:7:", "graphql")

    def test_a_policy_that_does_not_exist(self):
        self.refused(self.supervisor("--policy", "/nonexistent/policy.yaml"), OWN_FAILURE, "/nonexistent/policy.yaml")

    def test_a_policy_that_is_no_yaml(self):
        file = self.machine.write("broken.yaml", "version: [1\n", 0o644)
        self.refused(self.supervisor("--policy", file), OWN_FAILURE, "broken.yaml")

    def test_a_hidden_path_that_does_not_exist(self):
        self.refused(self.supervisor("--policy", self.good, "--hide", "/nonexistent/secret"), OWN_FAILURE, "/nonexistent/secret")

    def test_a_secret_in_a_shared_directory(self):
        self.refused(self.supervisor("--policy", self.good, "--hide", "/etc/hostname"), OWN_FAILURE, "/etc")

    def test_a_command_that_does_not_exist(self):
        self.refused(self.supervisor("--policy", self.good, program=["/nonexistent/program"]), NOT_FOUND, "/nonexistent/program")

    def test_a_command_that_is_not_in_the_path(self):
        self.refused(self.supervisor("--policy", self.good, program=["no-such-program-here"]), NOT_FOUND, "no-such-program-here")

    def test_a_command_that_is_not_executable(self):
        self.refused(self.supervisor("--policy", self.good, program=["/etc/passwd"]), NOT_EXECUTABLE, "/etc/passwd")

    def test_a_command_that_is_a_directory(self):
        self.refused(self.supervisor("--policy", self.good, program=["/etc"]), NOT_EXECUTABLE, "/etc")

    def test_no_command(self):
        self.refused(subprocess.run([SUPERVISOR, "run", "--policy", self.good], capture_output=True, text=True, env=ENVIRONMENT,
                                    timeout=30), OWN_FAILURE, "--")

    def test_a_user_that_does_not_exist(self):
        self.refused(self.supervisor("--policy", self.good, "--user", "nobody-of-this-name"), OWN_FAILURE, "nobody-of-this-name")

    def test_root_as_the_user(self):
        self.refused(self.supervisor("--policy", self.good, "--user", "0"), OWN_FAILURE, "0")

    def test_an_unknown_option(self):
        self.refused(self.supervisor("--no-such-option"), OWN_FAILURE, "no-such-option")

    def test_a_missing_token(self):
        self.refused(self.supervisor(env=self.gateway_env()), OWN_FAILURE, "OPENSHELL_SANDBOX_TOKEN")

    def test_a_malformed_token(self):
        self.machine.folder("bad-token", 0o700)
        token = self.machine.write("bad-token/token", "this is no token\n")
        self.refused(self.supervisor(env=self.gateway_env(OPENSHELL_SANDBOX_TOKEN_FILE=token)), OWN_FAILURE, "token")

    def test_a_token_file_that_does_not_exist(self):
        self.refused(self.supervisor(env=self.gateway_env(OPENSHELL_SANDBOX_TOKEN_FILE="/nonexistent/dir/token")), OWN_FAILURE,
                     "OPENSHELL_SANDBOX_TOKEN_FILE: /nonexistent/dir/token")

    def test_plaintext_to_a_gateway_that_is_not_loopback(self):
        there = self.machine.network().there
        self.refused(self.supervisor(env={"OPENSHELL_ENDPOINT": f"http://{there}:17670", "OPENSHELL_SANDBOX_TOKEN": worthless_token()}),
                     OWN_FAILURE, "https")

    def test_policy_and_endpoint_together(self):
        self.refused(self.supervisor("--policy", self.good, env=self.gateway_env()), OWN_FAILURE, "--policy")

    def test_credentials_that_others_can_read(self):
        self.machine.folder("open-secrets", 0o755)
        file = self.machine.write("open-secrets/keys.toml", "[aws.a]\naccess_key_id = 'a'\n", 0o644)
        self.refused(self.supervisor("--policy", self.good, "--local-credentials", file), OWN_FAILURE, "keys.toml")

    def test_credentials_with_an_unknown_key_never_show_a_value(self):
        file = self.machine.write("secrets/unknown.toml", '[aws.a]\nsecret = "hunter2-canary"\n')
        done = self.supervisor("--policy", self.good, "--local-credentials", file)
        self.refused(done, OWN_FAILURE, "unknown.toml:2", "secret")
        self.assertNotIn("hunter2-canary", done.stderr)

    def test_too_little_privilege(self):
        setpriv = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
        self.refused(self.supervisor("--policy", self.good, wrap=setpriv), LAYER_MISSING, "CAP_SYS_ADMIN")

    def test_a_plain_user(self):
        file = self.machine.write("shared/good.yaml", policy([endpoint("a.test", 443, self.machine.network().there)]), 0o644)
        binary = os.path.join(self.machine.shared, "supervisor")
        if not os.path.exists(binary):
            subprocess.run(["cp", SUPERVISOR, binary], check=True)
            os.chmod(binary, 0o755)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", binary, "run", "--policy", file,
                               "--audit-log", "-", "--", "/bin/sh", "-c", "echo STARTED"], capture_output=True, text=True,
                              env=ENVIRONMENT, timeout=30)
        self.refused(done, LAYER_MISSING, "CAP_SYS_ADMIN")

    def test_a_host_alias_that_is_no_address(self):
        self.refused(self.supervisor("--policy", self.good, "--host-alias", "a.test=nowhere"), OWN_FAILURE, "a.test=nowhere")

    def test_a_ca_file_that_is_no_certificate(self):
        file = self.machine.write("no-ca.pem", "hello\n", 0o644)
        self.refused(self.supervisor("--policy", self.good, "--upstream-ca", file), OWN_FAILURE, "no-ca.pem")


class KernelTest(Case):
    """A kernel without a needed feature, played by strace: the call fails as it would there."""

    def refused_when(self, syscall, error, *words):
        file = self.world.machine.write("kernel.yaml", policy(
            [endpoint("a.test", 443, self.world.machine.network().there)]), 0o644)
        done = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={syscall}", "-e",
                               f"inject={syscall}:error={error}", SUPERVISOR, "run", "--policy", file, "--audit-log", "-", "--",
                               "/bin/sh", "-c", "echo STARTED"], capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
        shown = f"exit {done.returncode}: {done.stderr}"
        self.assertEqual(done.returncode, LAYER_MISSING, shown)
        self.assertNotIn("STARTED", done.stdout)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_no_landlock(self):
        self.refused_when("landlock_create_ruleset", "ENOSYS", "andlock")

    def test_no_network_namespaces(self):
        self.refused_when("unshare", "EINVAL", "namespace")

    def test_no_seccomp(self):
        self.refused_when("seccomp", "EINVAL", "seccomp")
