"""Users of a real Keycloak: its tokens, its roles, its rotation of keys, and its absence."""
import functools
import os

from e2e.suite import Case
from e2e.support.keycloak import SUBJECTS, Keycloak
from e2e.support.keyward import Gateway
from e2e.support.machine import wait_until
from e2e.support.peers import call, with_header

UNAUTHENTICATED, DENIED, UNAVAILABLE = 16, 7, 14
AUDIENCE = "keyward-gateway"
PATIENCE = 60  # a key id that is new makes the issuer be asked again, at most once in 10 s


@functools.lru_cache
def keycloak_of(world):
    return Keycloak(world.machine, 17810).start()


def me(token):
    return {"method": "GetCurrentUser", "token": token}


class KeycloakTest(Case):
    slow = True
    limit = 1200  # the distribution is fetched once, and Keycloak takes its time to start

    def gateway_of(self, label, port, *options):
        gateway = Gateway(self.world.machine, label, port, ["--oidc-issuer", keycloak_of(self.world).url, "--oidc-audience", AUDIENCE,
                                                            "--failures-per-second", "0", *options]).start()
        self.addCleanup(gateway.stop)
        return gateway

    def sandbox(self, gateway):
        """(id, token) of a new record."""
        path = os.path.join(gateway.folder, "box.jwt")
        created = gateway.operator("sandbox", "create", "box", "--token-out", path)
        self.assertEqual(created.returncode, 0, created.stderr)
        with open(path, encoding="utf-8") as file:
            return created.stdout.split()[0], file.read().strip()

    def code(self, gateway, token):
        return call(gateway, me(token))[0]["code"]

    def accepted_at_last(self, gateway, token, what):
        wait_until(lambda: self.code(gateway, token) == 0, PATIENCE, what)

    def test_users_and_roles(self):
        keycloak = keycloak_of(self.world)
        gateway = self.gateway_of("keycloak-users", 17811)
        sandbox, own = self.sandbox(gateway)
        for client, roles in (("admin", ["openshell-admin"]), ("user", ["openshell-user"]), ("nobody", [])):
            answer = call(gateway, me(keycloak.token(client)))[0]
            self.assertEqual(answer["code"], 0, answer)
            self.assertEqual(answer["answer"]["subject"], SUBJECTS[client])
            self.assertEqual([role for role in answer["answer"].get("roles", []) if role.startswith("openshell-")], roles)
            self.assertEqual(answer["answer"]["identity_provider"], "oidc")
        admin, user, nobody = (keycloak.token(client) for client in ("admin", "user", "nobody"))
        config = lambda token: {"method": "GetSandboxConfig", "token": token, "request": {"sandbox_id": sandbox}}
        environment = {"method": "GetSandboxProviderEnvironment", "token": admin, "request": {"sandbox_id": sandbox}}
        answers = call(gateway, config(admin), config(user), config(nobody), environment, config(own))
        self.assertEqual([one["code"] for one in answers], [0, 0, DENIED, DENIED, 0], answers)
        with open(os.path.join(gateway.folder, "audit.jsonl"), encoding="utf-8") as file:
            trail = file.read()
        self.assertIn(f'"oidc:{SUBJECTS["user"]}"', trail)
        for secret in (admin, user, nobody, own):
            self.assertNotIn(secret, trail)

    def test_tokens_that_are_not_for_this_gateway(self):
        keycloak = keycloak_of(self.world)
        gateway = self.gateway_of("keycloak-refused", 17812)
        user, identity = keycloak.token("user"), keycloak.answer("user")["id_token"]
        answers = call(gateway, me(user), me(keycloak.token("elsewhere")), me(identity), me(user[:-8] + "AAAAAAAA"),
                       me(with_header(user, alg="none")), me(with_header(user, alg="HS256")))
        self.assertEqual([one["code"] for one in answers], [0] + [UNAUTHENTICATED] * 5, answers)
        self.assertEqual([one["text"] for one in answers[1:3]], ["invalid token: aud is not this gateway's"] * 2)

        before = keycloak.keys_asked()
        answers = call(gateway, *(me(with_header(user, kid=f"bogus-{n}")) for n in range(1000)), me(user))
        self.assertEqual({one["code"] for one in answers[:-1]}, {UNAUTHENTICATED})
        self.assertEqual(answers[-1]["code"], 0)
        self.assertLessEqual(keycloak.keys_asked() - before, 10)  # a thousand where nothing held them back

    def test_algorithms(self):
        """Keycloak publishes keys of each algorithm that it has ever signed with, among them some that the gateway does not know."""
        keycloak = keycloak_of(self.world)
        self.addCleanup(keycloak.sign_with, "RS256")
        gateway = self.gateway_of("keycloak-algorithms", 17813)
        for algorithm in ("PS256", "ES512"):
            keycloak.sign_with(algorithm)
            refused = call(gateway, me(keycloak.token("user")))[0]
            self.assertEqual([refused["code"], refused["text"]],
                             [UNAUTHENTICATED, "invalid token: alg is neither RS256, ES256 nor EdDSA"])
        for algorithm in ("ES256", "EdDSA", "RS256"):
            keycloak.sign_with(algorithm)
            self.accepted_at_last(gateway, keycloak.token("user"), f"a token by {algorithm}")

    def test_rotation(self):
        """A new key signs, the old one is still published; then a token of the old one ends with its key."""
        keycloak = keycloak_of(self.world)
        gateway = self.gateway_of("keycloak-rotation", 17814)
        first = keycloak.token("user")
        self.assertEqual(self.code(gateway, first), 0)
        keycloak.add_key("rotated", 200)
        second = keycloak.token("user")
        self.accepted_at_last(gateway, second, "the new key")
        self.assertEqual(self.code(gateway, first), 0)
        keycloak.withdraw_key("rotated")  # say, because it was stolen
        self.assertEqual(self.code(gateway, keycloak.token("user")), 0)
        keycloak.add_key("third", 300)
        self.addCleanup(keycloak.withdraw_key, "third")
        third = keycloak.token("user")
        self.accepted_at_last(gateway, third, "the third key")
        answers = call(gateway, me(first), me(second), me(third))
        self.assertEqual([one["code"] for one in answers], [0, UNAUTHENTICATED, 0], answers)

    def test_keycloak_is_away(self):
        keycloak = keycloak_of(self.world)
        gateway = self.gateway_of("keycloak-away", 17815)
        user = keycloak.token("user")
        self.assertEqual(self.code(gateway, user), 0)
        keycloak.stop()
        self.addCleanup(lambda: keycloak.answers() or keycloak.start())
        late = self.gateway_of("keycloak-late", 17816)
        _, own = self.sandbox(late)
        self.assertEqual([one["code"] for one in call(gateway, me(user), me(with_header(user, kid="bogus")), me(user))],
                         [0, UNAUTHENTICATED, 0])
        self.assertEqual([one["code"] for one in call(late, me(user), {"method": "RefreshSandboxToken", "token": own})],
                         [UNAVAILABLE, 0])
        keycloak.start()
        self.accepted_at_last(late, user, "keys of a Keycloak that has come back")
        self.assertEqual([self.code(one, keycloak.token("user")) for one in (gateway, late)], [0, 0])
