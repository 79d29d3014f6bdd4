"""Users by a real OpenID Connect issuer and by certificates, and sandboxes by a client that shares no code with ours."""
import json
import os

from e2e.suite import Case
from e2e.support.keyward import Gateway
from e2e.support.machine import wait_until
from e2e.support.peers import Issuer, call, with_header

UNAUTHENTICATED, DENIED, UNAVAILABLE = 16, 7, 14
AUDIENCE = "keyward-gateway"


def me(token=None):
    return {"method": "GetCurrentUser", "token": token}


class UsersTest(Case):
    def gateway_of(self, label, port, *options):
        gateway = Gateway(self.world.machine, label, port, options).start()
        self.addCleanup(gateway.stop)
        return gateway

    def sandbox(self, gateway, name):
        """(id, token) of a new record."""
        created = gateway.operator("sandbox", "create", name)
        self.assertEqual(created.returncode, 0, created.stderr)
        path = os.path.join(gateway.folder, name + ".jwt")
        self.assertEqual(gateway.operator("sandbox", "token", name, "--out", path).returncode, 0)
        with open(path, encoding="utf-8") as file:
            return created.stdout.split()[0], file.read().strip()

    def test_oidc(self):
        issuer = Issuer(self.world.machine, 17690).start("first")
        self.addCleanup(lambda: issuer.stop())
        gateway = self.gateway_of("oidc", 17691, "--oidc-issuer", issuer.url, "--oidc-audience", AUDIENCE,
                                  "--failures-per-second", "0")
        sandbox, own = self.sandbox(gateway, "box")
        other, _ = self.sandbox(gateway, "other")
        for algorithm in ("RS256", "ES256", "EdDSA"):
            answer = call(gateway, me(issuer.token("admin", algorithm)))[0]
            self.assertEqual(answer["code"], 0, answer)
            self.assertEqual(answer["answer"]["subject"], "admin")
            self.assertEqual(answer["answer"]["roles"], ["openshell-admin"])
            self.assertEqual(answer["answer"]["identity_provider"], "oidc")

        user, nobody, old = issuer.token("user"), issuer.token("nobody"), issuer.token("admin")
        config = lambda token, wanted=sandbox: {"method": "GetSandboxConfig", "token": token, "request": {"sandbox_id": wanted}}
        environment = {"method": "GetSandboxProviderEnvironment", "token": user, "request": {"sandbox_id": sandbox}}
        answers = call(gateway, config(user), config(user, other), config(nobody), environment, config(own), config(own, other),
                       config(None), me(own), me(issuer.token("user", "ES256", "!elsewhere")), me("opaque"),
                       me(with_header(user, alg="none")), me(with_header(user, kid="first-RS256")))
        self.assertEqual([one["code"] for one in answers], [0, 0, DENIED, DENIED, 0, DENIED, UNAUTHENTICATED, DENIED,
                                                            UNAUTHENTICATED, UNAUTHENTICATED, UNAUTHENTICATED, UNAUTHENTICATED])
        self.assertEqual([one["text"] for one in answers[8:]], [
            "invalid token: aud is not this gateway's", "invalid token: not issued by this gateway",
            "invalid token: alg is neither RS256, ES256 nor EdDSA", "invalid token: alg is not the key's"])

        # A thousand bogus key ids make the issuer be asked a few times, not a thousand; an honest user is served meanwhile.
        fetched = lambda: open(self.world.machine.log("oidc"), encoding="utf-8").read().count("issuer_keys_fetched")
        before = fetched()
        bogus = [me(with_header(user, kid=f"bogus-{n}")) for n in range(1000)]
        answers = call(gateway, *bogus, me(user))
        self.assertEqual({one["code"] for one in answers[:-1]}, {UNAUTHENTICATED})
        self.assertEqual(answers[-1]["code"], 0)
        self.assertLessEqual(fetched() - before, 4)

        # The issuer is down: its keys are kept.  It comes back with new ones: they are found, and the old token is refused.
        issuer.stop()
        self.assertEqual(call(gateway, me(old))[0]["code"], 0)
        issuer.start("second")
        wait_until(lambda: call(gateway, me(issuer.token("admin")))[0]["code"] == 0, 30, "the new keys")
        self.assertEqual(call(gateway, me(old))[0]["code"], UNAUTHENTICATED)
        with open(os.path.join(gateway.folder, "audit.jsonl"), encoding="utf-8") as file:
            trail = file.read()
        self.assertIn('"oidc:admin"', trail)
        for secret in (old, user, own):
            self.assertNotIn(secret, trail)
            self.assertNotIn(secret, open(self.world.machine.log("oidc"), encoding="utf-8").read())

    def test_an_issuer_that_is_down_at_the_start(self):
        issuer = Issuer(self.world.machine, 17692)
        gateway = self.gateway_of("oidc-late", 17693, "--oidc-issuer", issuer.url, "--oidc-audience", AUDIENCE)
        _, own = self.sandbox(gateway, "box")
        self.assertEqual(call(gateway, {"method": "RefreshSandboxToken", "token": own})[0]["code"], 0)
        issuer.start("late")
        self.addCleanup(issuer.stop)
        token = issuer.token("user")
        self.assertIn(call(gateway, me(token))[0]["code"], (0, UNAVAILABLE))
        wait_until(lambda: call(gateway, me(token))[0]["code"] == 0, 30, "the issuer's keys")

    def test_an_issuer_with_another_name(self):
        """Its document is found, also where the setting ends in a slash, and names somebody else."""
        issuer = Issuer(self.world.machine, 17697).start("named")
        self.addCleanup(issuer.stop)
        gateway = self.gateway_of("oidc-slash", 17698, "--oidc-issuer", issuer.url + "/", "--oidc-audience", AUDIENCE)
        with open(self.world.machine.log("oidc-slash"), encoding="utf-8") as file:
            self.assertIn("names another issuer than configured", file.read())
        self.assertEqual(call(gateway, me(issuer.token("user")))[0]["code"], UNAUTHENTICATED)

    def test_certificates(self):
        gateway = self.gateway_of("mtls", 17694, "--mtls-users")
        for name, more in (("alice", ["--admin"]), ("bob", [])):
            gateway.must("certgen", "--output-dir", gateway.tls, "--user", name, *more)
        again = gateway.run("certgen", "--output-dir", gateway.tls, "--user", "bob")
        self.assertEqual(again.returncode, 6, again.stderr)  # never in the place of another
        pair = lambda folder: {kind: os.path.join(gateway.tls, folder, file)
                               for kind, file in (("certificate", "tls.crt"), ("key", "tls.key"))}
        self.assertEqual(os.stat(pair("users/bob")["key"]).st_mode & 0o777, 0o600)
        answers = [call(gateway, me(), **pair(folder))[0] for folder in ("users/alice", "users/bob", "client")]
        self.assertEqual([one["code"] for one in answers], [0, 0, UNAUTHENTICATED])
        self.assertEqual([one["answer"]["roles"] for one in answers[:2]], [["openshell-admin"], ["openshell-user"]])
        self.assertEqual(call(gateway, me("junk"), **pair("users/alice"))[0]["code"], UNAUTHENTICATED)
        self.assertEqual(call(gateway, me())[0]["code"], UNAUTHENTICATED)

    def test_the_development_user_only_on_loopback(self):
        gateway = self.gateway_of("dev", 17695, "--allow-unauthenticated-users")
        self.assertEqual(call(gateway, me())[0]["answer"]["subject"], "unauthenticated-local-dev")
        self.assertEqual(call(gateway, me("junk"))[0]["code"], UNAUTHENTICATED)
        refused = gateway.run("serve", "--tls-dir", gateway.tls, "--listen", "0.0.0.0:17699", "--allow-unauthenticated-users",
                              "--database", gateway.database, "--operator-socket", gateway.socket + "2")
        self.assertEqual(refused.returncode, 7)
        self.assertIn("--allow-unauthenticated-users", refused.stderr)

    def test_a_supervisor_of_other_hands(self):
        """What a supervisor asks, by grpc-js: token refresh with and without a repeat, config, environment, reports, logs."""
        gateway = self.gateway_of("interop", 17696)
        sandbox, token = self.sandbox(gateway, "box")
        refresh = lambda token, name: {"method": "RefreshSandboxToken", "token": token, "metadata": {"x-keyward-refresh-id": name}}
        config = lambda token: {"method": "GetSandboxConfig", "token": token, "request": {"sandbox_id": sandbox}}
        first, repeat = call(gateway, refresh(token, "one"), refresh(token, "one"))
        self.assertEqual([first["code"], repeat["code"]], [0, 0])
        lost, current = first["answer"]["token"], repeat["answer"]["token"]
        answers = call(gateway, config(token), config(lost), config(current), refresh(token, "one"), refresh(current, "two"))
        self.assertEqual([one["code"] for one in answers], [UNAUTHENTICATED, UNAUTHENTICATED, 0, UNAUTHENTICATED, 0])
        self.assertEqual(answers[2]["answer"]["workspace"], "default")
        current = answers[4]["answer"]["token"]
        line = {"message": "hello from grpc-js", "level": "INFO", "timestamp_ms": "1700000000000"}
        answers = call(
            gateway, {"method": "Health"},
            {"method": "GetSandboxProviderEnvironment", "token": current,
             "request": {"sandbox_id": sandbox, "supports_static_credential_bindings": True}},
            {"method": "PushSandboxLogs", "token": current, "request": [{"sandbox_id": sandbox, "logs": [line]}]},
            {"method": "ReportMainProcessExit", "token": current,
             "request": {"sandbox_id": sandbox, "instance_id": "i-1", "exit_code": 5}},
            {"method": "ReportPolicyStatus", "token": current, "request": {"sandbox_id": sandbox, "version": 9, "status": 2}},
            {"method": "IssueSandboxToken", "token": current})
        self.assertEqual([one["code"] for one in answers], [0, 0, 0, 0, 5, DENIED])
        self.assertEqual(json.loads(gateway.operator("sandbox", "get", "box", "--json").stdout)["exit_code"], 5)
        self.assertIn("hello from grpc-js", gateway.operator("sandbox", "logs", "box").stdout)
