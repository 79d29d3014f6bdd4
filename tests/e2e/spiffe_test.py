"""JWT-SVIDs from an agent of another hand: every code, restarts, wrong answers; and authorization servers that take them."""
import functools
import json
import os
import subprocess

from e2e.suite import Case
from e2e.support import tools
from e2e.support.machine import wait_until
from e2e.support.peers import Issuer
from e2e.support.spiffe import DOMAIN, ID, Agent, Probe, until

AUDIENCE = "https://as.example"
# gRPC's codes, and what each means for who asks again.
VERDICTS = {1: "retry", 2: "retry", 3: "misconfigured", 4: "retry", 5: "misconfigured", 6: "misconfigured", 7: "not_registered",
            8: "retry", 9: "misconfigured", 10: "retry", 11: "misconfigured", 12: "misconfigured", 13: "retry", 14: "retry",
            15: "misconfigured", 16: "misconfigured"}
CONTROL = """
import json, sys
from spiffe import WorkloadApiClient
with WorkloadApiClient(socket_path="unix:" + sys.argv[1]) as client:
    svid = client.fetch_jwt_svid(audience={sys.argv[2]})
    print(json.dumps({"id": str(svid.spiffe_id), "token": svid.token, "x509": str(client.fetch_x509_svid().spiffe_id)}))
"""


@functools.lru_cache
def agent_of(world):
    return Agent(world.machine)


class SpiffeCase(Case):
    def setUp(self):
        self.agent = agent_of(self.world)
        self.addCleanup(self.reset)
        self.agent.seen()

    def reset(self):
        for order in ({"do": "entries", "entries": [{"id": ID}]}, {"do": "claims", "set": {}}, {"do": "fail", "code": 0},
                      {"do": "answer", "name": ""}, {"do": "delay", "milliseconds": 0}):
            self.agent.say(**order)

    def probe(self, **config):
        probe = Probe(self.world.machine, "identity-probe", socket=self.agent.path, **config)
        self.addCleanup(self.ended, probe)
        return probe

    def ended(self, probe):
        status, errors = probe.end()
        self.assertEqual((status, errors), (0, ""))


class AgentTest(SpiffeCase):
    def test_jwt_svids_over_one_connection(self):
        probe = self.probe()
        before = self.agent.seen()["connections"]
        for algorithm in ("RS256", "PS256", "ES384", "ES256"):
            self.agent.say(do="algorithm", name=algorithm)
            svid = probe.ask(do="svid", audience=AUDIENCE)
            self.assertEqual((svid.get("id"), svid.get("algorithm")), (ID, algorithm), svid)
        for _ in range(16):
            self.assertTrue(probe.ask(do="svid", audience=AUDIENCE)["ok"])
        seen = self.agent.seen()  # which refuses calls that say `workload.spiffe.io` never or twice
        self.assertEqual(seen["connections"] - before, 1)
        self.assertEqual([(call["audience"], call["id"]) for call in seen["calls"]], [([AUDIENCE], ID)] * 20)

    def test_an_independent_client_gets_the_same(self):
        control = subprocess.run([tools.spiffe_client(), "-c", CONTROL, self.agent.path, AUDIENCE], capture_output=True, text=True, timeout=60)
        other = json.loads(self.ended_well(control))
        self.assertEqual((other["id"], other["x509"]), (ID, ID))
        svid = self.probe().ask(do="svid", audience=AUDIENCE)
        self.assertEqual(svid["id"], ID)
        for token in (svid["token"], other["token"]):
            self.assertEqual(token.count("."), 2)

    def test_bundles_follow_the_keys(self):
        probe = self.probe()
        before = probe.ask(do="bundles")["domains"][DOMAIN]
        self.agent.say(do="rotate")
        after = probe.ask(do="bundles")["domains"][DOMAIN]
        self.assertEqual(after[:len(before)], before)
        self.assertEqual(len(after), len(before) + 1)

    def test_every_code(self):
        probe = self.probe()
        for code, verdict in VERDICTS.items():
            self.agent.say(do="fail", code=code, text="said\nso\x1b[31m")
            refused = probe.ask(do="svid", audience=AUDIENCE, patience_ms=300)
            with self.subTest(code=code):
                self.assertFalse(refused["ok"])
                self.assertEqual(refused["verdict"], verdict, refused)
                self.assertTrue(refused["error"].isprintable(), refused)
                calls = len(self.agent.seen()["calls"])
                (self.assertGreaterEqual if verdict == "retry" else self.assertEqual)(calls, 1)
        self.agent.say(do="fail", code=14, text="starting", times=3)
        self.assertTrue(probe.ask(do="svid", audience=AUDIENCE, patience_ms=10_000)["ok"])
        self.assertEqual(len(self.agent.seen()["calls"]), 4)

    def test_an_entry_that_comes_later(self):
        probe = self.probe()
        self.agent.say(do="entries", entries=[])
        refused = probe.ask(do="svid", audience=AUDIENCE)
        self.assertEqual(refused["verdict"], "not_registered")
        self.assertIn("no identity issued", refused["error"])
        self.assertIn("register an entry", refused["error"])
        self.agent.say(do="entries", entries=[{"id": ID, "hint": "internal"}])
        self.assertEqual(probe.ask(do="svid", audience=AUDIENCE)["hint"], "internal")

    def test_restart_and_replaced_socket(self):
        probe = self.probe()
        self.assertTrue(probe.ask(do="svid", audience=AUDIENCE)["ok"])
        self.agent.say(do="stop")
        away = probe.ask(do="svid", audience=AUDIENCE, patience_ms=300)
        self.assertEqual((away["verdict"], "is not there" in away["error"]), ("retry", True), away)
        self.agent.say(do="start")
        self.assertTrue(probe.ask(do="svid", audience=AUDIENCE)["ok"])
        first = self.agent.seen()["calls"][-1]["server"]
        self.agent.say(do="replace")
        self.assertTrue(probe.ask(do="svid", audience=AUDIENCE)["ok"])
        self.assertEqual(self.agent.seen()["calls"][-1]["server"], first + 1)

    def test_a_slow_agent(self):
        self.agent.say(do="delay", milliseconds=3000)
        slow = self.probe().ask(do="svid", audience=AUDIENCE, patience_ms=200)
        self.assertEqual((slow["code"], slow["verdict"]), ("timeout", "retry"))
        self.assertLess(slow["ms"], 2500)

    def test_wrong_answers(self):
        probe = self.probe()
        for answer, said in (("empty", "no JWT-SVID"), ("doubled", "several"), ("other-id", "another identity"), ("other-sub", "sub is another"),
                             ("no-token", "three parts"), ("long-hint", "hint")):
            self.agent.say(do="answer", name=answer)
            self.check_refused(probe, answer, said)
        self.agent.say(do="answer", name="huge")
        huge = probe.ask(do="svid", audience=AUDIENCE, patience_ms=300)
        self.assertFalse(huge["ok"])
        self.assertNotIn("aaaa", huge["error"])
        self.agent.seen()
        self.agent.say(do="answer", name="")
        for claims, said in (({"aud": ["https://evil.example"]}, "aud is not"), ({"aud": [AUDIENCE, "https://evil.example"]}, "more members"),
                             ({"aud": None}, "aud is not"), ({"sub": "admin"}, "sub is no"), ({"sub": None}, "sub is missing"), ({"exp": None}, "exp is missing"),
                             ({"exp": 1}, "expired"), ({"exp": "soon"}, "exp is missing"), ({"nbf": 4102444800}, "nbf is in the future"),
                             ({"iat": 4102444800}, "iat is in the future")):
            self.agent.say(do="claims", set=claims)
            self.check_refused(probe, claims, said)

    def check_refused(self, probe, what, said):
        with self.subTest(what=what):
            refused = probe.ask(do="svid", audience=AUDIENCE)
            self.assertFalse(refused["ok"], refused)
            self.assertEqual(refused["verdict"], "misconfigured")
            self.assertIn(said, refused["error"])
            self.assertNotIn("evil", refused["error"])
            self.assertEqual(len(self.agent.seen()["calls"]), 1)

    def test_several_identities(self):
        self.agent.say(do="entries", entries=[{"id": ID}, {"id": f"spiffe://{DOMAIN}/other"}])
        self.assertTrue(self.probe().ask(do="svid", audience=AUDIENCE)["ok"])
        unnamed = self.probe(id="").ask(do="svid", audience=AUDIENCE)
        self.assertEqual((unnamed["code"], "name the one" in unnamed["error"]), ("precondition", True), unnamed)


class X509Test(SpiffeCase):
    def test_x509_svids_follow_the_agent(self):
        probe = self.probe()
        first = until(probe, 10, lambda answer: answer["ok"], do="x509")
        self.assertEqual(first["id"], ID)
        folder = self.world.machine.folder("x509")
        for name in ("certificates", "bundle"):
            self.world.machine.write(f"x509/{name}.pem", first[name])
        self.ended_well(subprocess.run(["openssl", "verify", "-CAfile", f"{folder}/bundle.pem", f"{folder}/certificates.pem"], capture_output=True, text=True))
        self.agent.say(do="rotate")
        second = until(probe, 10, lambda answer: answer.get("certificates") not in (None, first["certificates"]), do="x509")
        self.agent.say(do="stop")
        self.assertEqual(probe.ask(do="x509")["certificates"], second["certificates"])  # it is good for its whole life
        self.agent.say(do="start")
        until(probe, 20, lambda answer: answer.get("certificates") not in (None, second["certificates"]), do="x509")
        self.agent.say(do="entries", entries=[])
        self.agent.say(do="rotate")
        gone = until(probe, 10, lambda answer: not answer["ok"], do="x509")
        self.assertEqual(gone["verdict"], "not_registered", gone)

    def test_wrong_x509_svids(self):
        for answer, said in (("empty", "no X.509-SVID"), ("other-id", "another identity"), ("two-uris", "one URI"), ("authority", "authority"), ("signer", "authority"),
                             ("expired", "expired"), ("wrong-key", "not the certificate's"), ("broken-key", "no PKCS#8"), ("no-bundle", "no certificate"),
                             ("trailing", "what is no certificate")):
            self.agent.say(do="answer", name=answer)
            with self.subTest(answer=answer):
                refused = until(self.probe(), 10, lambda answer: "not answered yet" not in answer.get("error", ""), do="x509")
                self.assertFalse(refused["ok"], refused)
                self.assertIn(said, refused["error"])


class X509BundlesTest(SpiffeCase):
    def test_they_follow_the_agent(self):
        def count(answer):
            return answer["bundles"][DOMAIN].count("BEGIN CERTIFICATE")
        probe, partner = self.probe(), "partner-of-bundles.example"
        first = probe.ask(do="x509-bundles")
        self.assertNotIn(partner, first["bundles"])
        self.agent.say(do="authority")
        second = until(probe, 10, lambda answer: answer["ok"] and count(answer) > count(first), do="x509-bundles")
        self.assertTrue(second["bundles"][DOMAIN].startswith(first["bundles"][DOMAIN]))
        self.agent.say(do="federate", domain=partner)
        third = until(probe, 10, lambda answer: partner in answer.get("bundles", {}), do="x509-bundles")
        self.assertEqual(third["bundles"][partner], self.agent.say(do="x509-bundle", domain=partner)["pem"])
        self.agent.say(do="stop")
        self.assertEqual(probe.ask(do="x509-bundles")["bundles"], third["bundles"])
        self.agent.say(do="start")
        self.agent.say(do="fail", code=7, text="no identity issued")
        self.agent.say(do="rotate")
        gone = until(probe, 20, lambda answer: not answer["ok"], do="x509-bundles")
        self.assertEqual(gone["verdict"], "not_registered", gone)

    def test_wrong_ones(self):
        for answer, said in (("empty", "there is none"), ("no-bundle", "holds no certificate"), ("no-domain", "no trust domain"),
                             ("trailing", "what is no certificate")):
            self.agent.say(do="answer", name=answer)
            with self.subTest(answer=answer):
                refused = self.probe().ask(do="x509-bundles")
                self.assertEqual((refused["ok"], refused.get("verdict")), (False, "misconfigured"), refused)
                self.assertIn(said, refused["error"])


class ProviderTest(SpiffeCase):
    """npm's oidc-provider, which takes private_key_jwt by the letter."""

    def setUp(self):
        super().setUp()
        keys = self.agent.say(do="bundle")["keys"]
        keys = {"keys": [{**key, "use": "sig"} for key in keys["keys"]]}
        issuer = Issuer(self.world.machine, 17690)
        issuer.process = self.world.machine.start("assertion-issuer", [tools.node(), "assertion_issuer.mjs", "17690", ID, json.dumps(keys)],
                                                  cwd=tools.node_peers())
        self.addCleanup(issuer.stop)
        wait_until(issuer.answers, 30, "oidc-provider")
        self.issuer = issuer

    def ask(self, **changes):
        grant = {"token_endpoint": self.issuer.url + "/token", "svid_audience": self.issuer.url, **changes}
        return self.probe(loopback=True).ask(do="token", grant=grant)

    def test_assertions_of_the_shape_that_it_wants(self):
        self.agent.say(do="claims", set={"iss": ID, "jti": "@unique"})
        granted = self.ask(resource=["urn:known:alpha"], scopes=["read"])
        self.assertTrue(granted["ok"], granted)
        self.assertTrue(granted["value"].startswith("Bearer "))
        discovered = self.ask(token_endpoint="", issuer=self.issuer.url, resource=["urn:known:beta"])
        self.assertTrue(discovered["ok"], discovered)
        self.assertNotEqual(discovered["value"], granted["value"])
        unknown = self.ask(resource=["urn:unknown"])
        self.assertIn("resource", unknown["error"])

    def test_refusals_are_diagnosed(self):
        for claims, said in (({}, "neither iss nor jti"), ({"jti": "@unique"}, "no iss"), ({"iss": "https://spire", "jti": "@unique"}, "each jti once")):
            self.agent.say(do="claims", set=claims)
            with self.subTest(claims=claims):
                refused = self.ask(resource=["urn:known:alpha"])
                self.assertFalse(refused["ok"])
                self.assertEqual(refused["code"], "unauthenticated", refused)
                self.assertIn("invalid_client", refused["error"])
                self.assertIn(said, refused["error"])
        self.agent.say(do="claims", set={"iss": ID, "jti": "@unique"})
        spiffe = self.ask(assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-spiffe")
        self.assertFalse(spiffe["ok"])
        self.assertIn("jwt-spiffe", spiffe["error"])

    def test_a_replayed_assertion(self):
        self.agent.say(do="claims", set={"iss": ID, "jti": "the-same-" + os.urandom(8).hex()})
        self.assertTrue(self.ask(resource=["urn:known:alpha"])["ok"])
        replayed = self.ask(resource=["urn:known:alpha"])
        self.assertEqual(replayed["code"], "unauthenticated", replayed)
        self.assertIn("each jti once", replayed["error"])
