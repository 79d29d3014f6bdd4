"""Token exchange with a user as the subject: the gateway keeps the user's token, the supervisor exchanges it with the sandbox's JWT-SVID beside
it, and the service sees the user and who acts for the user.  Nobody else gets the user's token."""
import base64
import json
import os
import time

from e2e import token_grants_test
from e2e.support.machine import wait_until
from e2e.support.spiffe import ID
from e2e.support.token_grants import ALPHA, ASSERTION, BETA, ISSUER, SigningKey
from e2e.token_grants_test import GrantsCase

EXCHANGE = {"grantType": "token_exchange", "jwtSvidAudience": ISSUER, "subjectCredential": "user"}
AS_CLIENT = {**EXCHANGE, **ASSERTION, "svidRole": "client"}


class UserGrantsCase(GrantsCase):
    def setUp(self):
        super().setUp()
        self.place.import_profile(name="for-users", user="USER_TOKEN", **EXCHANGE)

    def user(self, name, lasting=3600, key=None, **claims):
        """A token of that user's, as a login would have given it."""
        now = int(time.time())
        return (key or self.place.users).sign({"iss": "https://users.keyward.test", "sub": name, "aud": ISSUER, "iat": now, "exp": now + lasting, **claims})

    def file_of(self, token):
        return self.place.machine.write("secrets/grants-user.env", f"USER_TOKEN={token}\n")

    def sandbox(self, name, profile="for-users", user=None):
        return super().sandbox("user-" + name, profile, *(["--from-file", self.file_of(user)] if user else []))

    def bring(self, sandbox, token):
        self.place.must("provider", "update", sandbox.provider, "--from-file", self.file_of(token))

    def acted(self, answer, user, name="alpha", scope="read", **party):
        self.assertEqual(answer["status"], 200, answer)
        self.assertEqual(answer["body"], {"service": name, "caller": user, "aud": name, "scope": scope, **(party or {"act": {"sub": ID}})})
        return answer


class UserGrantsTest(UserGrantsCase):
    def test_the_user_is_the_subject_and_the_sandbox_acts(self):
        sandbox = self.sandbox("acts", user=self.user("anna")).client()
        for _ in range(2):
            self.acted(sandbox.ask(ALPHA), "anna")
        self.acted(sandbox.ask(BETA), "anna", "beta", "orders:read orders:write")
        self.assertEqual([(line["user"], line["client"], line["aud"]) for line in self.seen()[0]], [("anna", ID, "alpha"), ("anna", ID, "beta")])

    def test_the_sandbox_as_the_client(self):
        self.place.import_profile(name="for-users-by-clients", user="USER_TOKEN", **AS_CLIENT)
        sandbox = self.sandbox("client", "for-users-by-clients", self.user("anna")).client()
        self.acted(sandbox.ask(ALPHA), "anna", azp=ID)
        self.assertEqual([(line["user"], line["client"]) for line in self.seen()[0]], [("anna", ID)])

    def test_a_token_that_is_replaced_is_another_users(self):
        sandbox = self.sandbox("replaced", user=self.user("anna")).client()
        first = self.acted(sandbox.ask(ALPHA), "anna")
        self.bring(sandbox, self.user("bert"))
        answers = sandbox.ask_until_it_says(lambda answer: answer["body"].get("caller") == "bert", ALPHA)
        self.assertEqual({(answer["status"], answer["local"]) for answer in answers}, {(200, first["local"])})
        for _ in range(3):
            self.acted(sandbox.ask(ALPHA), "bert")
        self.acted(sandbox.ask(BETA), "bert", "beta", "orders:read orders:write")
        self.assertEqual([line["user"] for line in self.seen()[0]], ["anna", "bert", "bert"])

    def test_each_sandbox_has_its_own_user(self):
        for name in ("anna", "bert"):
            sandbox = self.sandbox(f"of-{name}", user=self.user(name)).client()
            self.acted(sandbox.ask(ALPHA), name)
            sandbox.stop()  # they have one user id

    def test_without_a_users_token_nothing_is_sent(self):
        sandbox = self.sandbox("none").client()
        refusal = self.refused(sandbox.ask(ALPHA), 503)
        self.told(sandbox, "has no user's token (USER_TOKEN); then: gateway provider update")
        self.bring(sandbox, self.user("anna", lasting=-120))
        wait_until(lambda: self.refused(sandbox.ask(ALPHA), 503) and any("has ended" in event["detail"] for event in sandbox.events("token_not_granted")),
                   30, "the ended token")
        self.assertEqual(self.seen(), [[], [], []])
        self.bring(sandbox, self.user("anna"))
        answered = sandbox.ask_until(200, ALPHA)[-1]
        self.assertEqual(self.acted(answered, "anna")["local"], refusal["local"])

    def test_a_token_is_used_no_longer_than_the_users(self):
        sandbox = self.sandbox("short", user=self.user("anna", lasting=25)).client()
        self.acted(sandbox.ask(ALPHA), "anna")  # of five minutes, by the issuer
        sandbox.ask_until(503, ALPHA, 60)
        self.told(sandbox, "has ended")

    def test_a_user_whom_the_issuer_does_not_know(self):
        sandbox = self.sandbox("unknown", user=self.user("anna", key=SigningKey("stranger"))).client()
        self.refused(sandbox.ask(ALPHA), 502)
        self.told(sandbox, "subject_credential")
        self.assertEqual(self.seen()[1], [])

    def test_a_provider_that_is_taken_away(self):
        sandbox = self.sandbox("away", user=self.user("anna")).client()
        first = self.acted(sandbox.ask(ALPHA), "anna")
        self.place.must("provider", "detach", sandbox.name, sandbox.provider)
        self.assertEqual(sandbox.ask_until(401, ALPHA)[-1]["local"], first["local"])
        self.assertEqual([line["aud"] for line in self.seen()[0]], ["alpha"])

    def test_no_variable_and_no_place(self):
        """The program's environment names neither the credential nor a placeholder for it, and the operator's list has the name alone."""
        token = self.user("anna")
        done = self.sandbox("variables", user=token).run("/bin/sh", "-c", "env")
        self.assertNotIn("USER_TOKEN", self.ended_well(done))
        listed = [each for each in json.loads(self.place.must("provider", "list", "--json")) if each["name"] == f"{self.place.provider_type}-user-variables"]
        self.assertEqual(listed[0]["credentials"], ["USER_TOKEN"])
        self.assertNotIn(token, json.dumps(listed))


class UserHidingTest(UserGrantsCase, token_grants_test.HidingTest):
    """Where no token is, the user's is not either."""
    order = ["proof", "user", "alpha", "proof", "user", "beta"]
    test_no_socket_and_no_variable = None

    def sandbox(self, name, profile="for-users", user=None):
        return super().sandbox(name, profile, user or self.user("anna", jti=base64.b64encode(os.urandom(18)).decode()))

    def answered(self, answer, name, scope):
        return self.acted(answer, "anna", name, scope)

    def test_each_is_found_outside(self):
        sandbox = self.client("held")
        secrets = self.used(sandbox)
        found = " ".join(self.found_in_memory(sandbox, secrets))
        self.assertIn("found alpha-2 ", found)
        self.assertIn("found beta-5 ", found)

    def found_in_memory(self, sandbox, secrets):
        """But for the user's token: gRPC keeps what it has read in its buffers until it uses them again (docs/THREAT_MODEL.md)."""
        return super().found_in_memory(sandbox, {name: value for name, value in secrets.items() if not name.startswith("user-")})
