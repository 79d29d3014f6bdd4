"""The X.509-SVID as an OAuth client's proof (RFC 8705): at endpoints that demand a certificate, hostile ones among them, and at
npm's oidc-provider."""
import base64
import json
import os
import signal
import socket
import ssl
import urllib.parse

from e2e.spiffe_endpoints_test import GOOD, TOKEN, granted
from e2e.spiffe_test import SpiffeCase
from e2e.support import tools
from e2e.support.machine import wait_until
from e2e.support.spiffe import DOMAIN, ID, Endpoint, Script, until

OTHER = f"spiffe://{DOMAIN}/other"


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class CertificateCase(SpiffeCase):
    def authorities(self):
        return self.agent.say(do="x509-bundle", domain=DOMAIN)["pem"]

    def endpoint(self, script, clients=None):
        endpoint = Endpoint(script, self.world.pki.issue("127.0.0.1"), clients)
        self.addCleanup(endpoint.close)
        return endpoint

    def certified(self, **config):
        return self.probe(loopback=True, ca=self.world.pki.ca, **config)

    def grant(self, endpoint, **changes):
        return {"do": "token", "grant": {"client_auth": "tls_client_auth", "token_endpoint": endpoint.url(), **changes}}

    def form(self, request):
        return urllib.parse.parse_qs(request.partition("\r\n\r\n")[2], strict_parsing=True)

    def methods(self):
        return [call["method"] for call in self.agent.seen()["calls"] or []]


class CertificateTest(CertificateCase):
    def test_the_certificate_is_the_proof(self):
        endpoint = self.endpoint(granted(), self.authorities())
        probe = self.certified()
        answer = probe.ask(**self.grant(endpoint, audience=["alpha"], scopes=["read"]))
        self.assertEqual(answer.get("value"), "Bearer " + TOKEN, answer)
        self.assertEqual(self.form(endpoint.requests[0]),
                         {"grant_type": ["client_credentials"], "client_id": [ID], "audience": ["alpha"], "scope": ["read"]})
        self.assertEqual([each["subjectAltName"] for each in endpoint.certificates], [(("URI", ID),)])
        self.assertEqual(self.methods(), ["FetchX509SVID"])
        named = probe.ask(**self.grant(endpoint, client_id="alpha-client"))
        self.assertTrue(named["ok"], named)
        self.assertEqual(self.form(endpoint.requests[-1])["client_id"], ["alpha-client"])

    def test_beside_a_jwt_svid_that_is_exchanged(self):
        endpoint = self.endpoint(Script(json.dumps({**GOOD, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})), self.authorities())
        answer = self.certified().ask(**self.grant(endpoint, kind="token_exchange", svid_audience="https://as.example"))
        self.assertTrue(answer["ok"], answer)
        form = self.form(endpoint.requests[0])
        self.assertEqual((form["client_id"], "client_assertion" in form), ([ID], False))
        claims = json.loads(base64.urlsafe_b64decode(form["subject_token"][0].split(".")[1] + "=="))
        self.assertEqual((claims["sub"], claims["aud"]), (ID, ["https://as.example"]))

    def test_it_follows_the_agent(self):
        endpoint = self.endpoint(granted(), self.authorities())
        probe = self.certified()
        self.assertTrue(probe.ask(**self.grant(endpoint))["ok"])
        before = probe.ask(do="x509")["certificates"]
        self.agent.say(do="authority")  # the old one signs no more
        until(probe, 10, lambda answer: answer.get("certificates") not in (None, before), do="x509")
        endpoint.context.load_verify_locations(cadata=self.authorities())
        self.assertTrue(probe.ask(**self.grant(endpoint, audience=["after"]))["ok"])
        first, second = endpoint.certificates
        self.assertNotEqual(first["serialNumber"], second["serialNumber"])
        self.assertNotEqual(first["issuer"], second["issuer"])

    def test_a_server_that_does_not_trust_it(self):
        with open(self.world.pki.ca, encoding="utf-8") as file:
            endpoint = self.endpoint(granted(), file.read())
        refused = self.certified().ask(**self.grant(endpoint))
        self.assertEqual(refused["code"], "unauthenticated", refused)
        self.assertIn("refuses the certificate of its client", refused["error"])
        self.assertEqual((endpoint.requests, endpoint.refused), ([], 1))

    def test_a_server_that_wants_one_from_a_grant_without(self):
        endpoint = self.endpoint(granted(), self.authorities())
        refused = self.certified().ask(**self.grant(endpoint, client_auth=""))
        self.assertEqual(refused["code"], "denied", refused)
        self.assertIn("wants a certificate of its client", refused["error"])
        self.assertEqual(endpoint.requests, [])

    def test_a_server_that_asks_for_none(self):
        endpoint = self.endpoint(Script(json.dumps({"error": "invalid_client"}), "401 Unauthorized"))
        refused = self.certified().ask(**self.grant(endpoint))
        self.assertEqual(refused["code"], "unauthenticated", refused)
        self.assertIn("tls_client_auth", refused["error"])
        self.assertEqual(len(endpoint.requests), 1)  # another certificate would be the same one

    def test_without_a_certificate_nobody_is_asked(self):
        endpoint = self.endpoint(granted(), self.authorities())
        self.agent.say(do="entries", entries=[])
        refused = self.certified().ask(**self.grant(endpoint))
        self.assertEqual(refused["verdict"], "not_registered", refused)
        self.agent.say(do="entries", entries=[{"id": ID}])
        for wrong in ("expired", "wrong-key", "other-id", "empty"):
            self.agent.say(do="answer", name=wrong)
            with self.subTest(answer=wrong):
                self.assertFalse(self.certified().ask(**self.grant(endpoint))["ok"])
        self.assertEqual(endpoint.connections, 0)

    def test_it_is_never_presented_in_clear_text_or_elsewhere(self):
        plain = Endpoint(granted())
        self.addCleanup(plain.close)
        refused = self.certified().ask(**self.grant(plain))
        self.assertIn("client_auth", refused["error"])
        trap = self.endpoint(granted(), self.authorities())
        endpoint = self.endpoint(Script("", "307 Temporary Redirect", headers=[f"Location: {trap.url()}"]), self.authorities())
        self.assertIn("redirect", self.certified().ask(**self.grant(endpoint))["error"])
        self.assertEqual((plain.connections, trap.connections), (0, 0))

    def test_a_token_that_is_bound_to_the_certificate(self):
        bound = f"{part({'alg': 'ES256'})}.{part({'cnf': {'x5t#S256': 'A' * 43}, 'exp': 4102444800})}.{part('signature')}"
        endpoint = self.endpoint(granted(access_token=bound), self.authorities())
        self.assertEqual(self.certified().ask(**self.grant(endpoint)).get("value"), "Bearer " + bound)

    def test_an_issuer_with_an_endpoint_for_certificates(self):
        documents, plain = {}, self.endpoint(lambda request: documents.get(request.split(" ")[1], Script("", "404 Not Found")))
        aliased = self.endpoint(granted(), self.authorities())
        issuer = plain.url("/as")
        document = {"issuer": issuer, "token_endpoint": plain.url("/token")}
        well_known = "/.well-known/oauth-authorization-server/as"
        order = self.grant(plain, token_endpoint="", issuer=issuer)
        for alias, said in (("nowhere", "alias"), (aliased.url().replace("https", "http"), "https")):
            documents[well_known] = Script(json.dumps({**document, "mtls_endpoint_aliases": {"token_endpoint": alias}}))
            self.assertIn(said, self.certified().ask(**order)["error"])
        documents[well_known] = Script(json.dumps({**document, "mtls_endpoint_aliases": {"token_endpoint": aliased.url()}}))
        probe = self.certified()
        self.assertTrue(probe.ask(**order)["ok"])
        self.assertEqual([request.split(" ")[1] for request in aliased.requests], ["/token"])
        documents["/token"] = granted()
        self.assertTrue(probe.ask(do="token", grant={"issuer": issuer})["ok"])  # by an assertion: at the other one
        self.assertEqual(plain.requests[-1].split(" ")[1], "/token")


class CertificateProviderTest(CertificateCase):
    """npm's oidc-provider, which checks the chain and the URI, and binds its tokens to the certificate."""
    PORT = 17691

    def provider(self, uri=ID):
        machine, bundle = self.world.machine, os.path.join(self.world.machine.secrets, "certificate-issuer.pem")
        machine.write(bundle, self.authorities())
        certificate, key = self.world.pki.issue("127.0.0.1")
        process = machine.start("certificate-issuer", [tools.node(), "certificate_issuer.mjs", str(self.PORT), certificate, key, bundle, "alpha", uri],
                                cwd=tools.node_peers())
        self.addCleanup(machine.stop, process)
        wait_until(self.answers, 30, "oidc-provider")
        return process, bundle

    def answers(self):
        try:
            context = ssl.create_default_context(cafile=self.world.pki.ca)
            with socket.create_connection(("127.0.0.1", self.PORT), 2) as connection, context.wrap_socket(connection, server_hostname="127.0.0.1"):
                return True
        except OSError:
            return False

    def ask(self, probe, **changes):
        issuer = f"https://127.0.0.1:{self.PORT}"
        return probe.ask(do="token", grant={"client_auth": "tls_client_auth", "client_id": "alpha", "issuer": issuer, "scopes": ["read"],
                                            "resource": ["urn:known:alpha"], **changes})

    def test_it_gives_bound_tokens(self):
        self.provider()
        answer = self.ask(self.certified())
        self.assertTrue(answer["ok"], answer)
        claims = json.loads(base64.urlsafe_b64decode(answer["value"].split(".")[1] + "=="))
        self.assertEqual((claims["client_id"], claims["aud"], len(claims["cnf"]["x5t#S256"])), ("alpha", "urn:known:alpha", 43))

    def test_it_follows_the_trust_domains_authorities(self):
        process, bundle = self.provider()
        probe = self.certified()
        self.assertTrue(self.ask(probe)["ok"])
        before = probe.ask(do="x509")["certificates"]
        self.agent.say(do="authority")
        until(probe, 10, lambda answer: answer.get("certificates") not in (None, before), do="x509")
        refused = self.ask(probe, resource=["urn:known:beta"])
        self.assertEqual(refused["code"], "unauthenticated", refused)
        self.assertIn("trust domain's X.509 bundle", refused["error"])
        self.world.machine.write(bundle, self.authorities())
        process.send_signal(signal.SIGHUP)
        log = self.world.machine.log("certificate-issuer")
        wait_until(lambda: "reloaded" in open(log, encoding="utf-8").read(), 20, "the provider's new bundle")
        self.assertTrue(self.ask(probe, resource=["urn:known:gamma"])["ok"])

    def test_another_identity_is_refused(self):
        self.provider(OTHER)
        refused = self.ask(self.certified())
        self.assertEqual(refused["code"], "unauthenticated", refused)
        self.assertIn("invalid_client", refused["error"])
        self.assertIn("tls_client_auth_san_uri", refused["error"])
