"""JWT-SVIDs as client assertions at a real Keycloak, and what it refuses, told in words that help."""
import base64
import functools
import json

from e2e.spiffe_test import SpiffeCase, agent_of
from e2e.support.keycloak_spiffe import API, APP, CLIENT, USER, SpiffeKeycloak
from e2e.support.spiffe import ID

SPIFFE, BEARER = (f"urn:ietf:params:oauth:client-assertion-type:jwt-{kind}" for kind in ("spiffe", "bearer"))


@functools.lru_cache
def keycloak_of(world):
    return SpiffeKeycloak(world.machine, world.pki, agent_of(world), 17935).start()


def claims_of(header):
    part = header.removeprefix("Bearer ").split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class KeycloakSpiffeTest(SpiffeCase):
    slow = True
    limit = 1200  # the distribution is fetched once, and Keycloak takes its time to start

    def setUp(self):
        super().setUp()
        self.keycloak = keycloak_of(self.world)
        self.client = self.probe(loopback=True)

    def ask(self, do="token", **changes):
        """By the realm's own metadata document, as a profile with an issuer has it."""
        return self.client.ask(do=do, grant={"issuer": self.keycloak.url, "assertion_type": SPIFFE, **changes})

    def test_a_jwt_svid_is_the_clients_proof(self):
        granted = self.ask()
        self.assertTrue(granted["ok"], granted)
        claims = claims_of(granted["value"])
        self.assertEqual((claims["iss"], claims["azp"]), (self.keycloak.url, CLIENT))
        self.assertIn(API, claims["aud"])
        again = self.ask(scopes=["profile"])  # by the same JWT-SVID: Keycloak asks for no jti
        self.assertTrue(again["ok"], again)
        endpoint = self.keycloak.url + "/protocol/openid-connect/token"
        derived = self.ask(issuer="", token_endpoint=endpoint, scopes=["email"])  # the proof's audience is derived: the realm
        self.assertTrue(derived["ok"], derived)

    def test_its_token_is_exchanged_for_one_of_less(self):
        granted = self.ask()
        self.client.ask(do="subject", token=granted["value"].removeprefix("Bearer "))
        exchanged = self.ask(kind="token_exchange", svid_role="client", audience=[API])
        self.assertTrue(exchanged["ok"], exchanged)
        before, after = claims_of(granted["value"]), claims_of(exchanged["value"])
        self.assertNotEqual(before["jti"], after["jti"])
        self.assertEqual((after["sub"], after["azp"], after["aud"]), (before["sub"], CLIENT, API))
        self.client.ask(do="subject", token="none.of.keycloak")
        refused = self.ask(kind="token_exchange", svid_role="client", audience=[API], scopes=["email"])
        self.assertFalse(refused["ok"], refused)

    def test_a_users_token_is_exchanged_and_the_user_stays_the_subject(self):
        token = self.keycloak.login()
        self.client.ask(do="subject", token=token)
        exchanged = self.ask(kind="token_exchange", svid_role="client", audience=[API], scopes=["profile"])
        self.assertTrue(exchanged["ok"], exchanged)
        before, after = claims_of(token), claims_of(exchanged["value"])
        self.assertEqual((before["azp"], before["preferred_username"]), (APP, USER))
        self.assertEqual((after["sub"], after["preferred_username"], after["azp"], after["aud"]), (before["sub"], USER, CLIENT, API))

    def test_keys_that_have_rotated(self):
        self.agent.say(do="rotate")
        granted = self.ask(scopes=["email", "profile"])
        self.assertTrue(granted["ok"], granted)

    def test_what_it_refuses(self):
        endpoint = self.keycloak.url + "/protocol/openid-connect/token"
        for changes, code, said in (
                ({"issuer": "", "token_endpoint": endpoint, "svid_audience": endpoint}, "unauthenticated", "is jwt_svid_audience"),
                ({"assertion_type": BEARER}, "unauthenticated", "use client_assertion_type jwt-spiffe"),
                ({"client_id": ID}, "unauthenticated", "is the SPIFFE ID registered there"),
                ({"scopes": ["of-nobody"]}, "precondition", "does not grant these scopes")):
            with self.subTest(changes=changes):
                refused = self.ask(**changes)
                self.assertFalse(refused["ok"], refused)
                self.assertEqual(refused["code"], code, refused)
                self.assertIn(said, refused["error"])
