"""Token endpoints that do what they should not: nothing is held, nothing is sent elsewhere, nothing of it is repeated."""
import base64
import hashlib
import json
import socket
import ssl
import subprocess
import urllib.parse
import warnings

from e2e.spiffe_test import SpiffeCase
from e2e.support.pki import Pki
from e2e.support.spiffe import ID, Endpoint, Script

TOKEN = "granted.token-1"
GOOD = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300}
EVIL = "evil-of-the-endpoint"


def granted(**changes):
    return Script(json.dumps({**GOOD, **changes}))


def body(**changes):
    return json.dumps({**GOOD, "access_token": EVIL, **changes})


# name, script, what the error says
HOSTILE = [
    ("CRLF in the token", granted(access_token=EVIL + "\r\nx-admin: 1"), "access_token"),
    ("NUL in the token", granted(access_token=EVIL + "\0"), "access_token"),
    ("blank in the token", granted(access_token=EVIL + " x"), "access_token"),
    ("empty token", granted(access_token=""), "access_token"),
    ("long token", granted(access_token=EVIL * 1000), "access_token"),
    ("token that is no text", granted(access_token=[EVIL]), "access_token"),
    ("no token", Script(json.dumps({"token_type": "Bearer"})), "access_token"),
    ("DPoP", Script(body(token_type="DPoP")), "token_type"),
    ("no type", Script(json.dumps({"access_token": EVIL})), "token_type"),
    ("negative expires_in", Script(body(expires_in=-1)), "expires_in"),
    ("zero expires_in", Script(body(expires_in=0)), "expires_in"),
    ("absurd expires_in", Script(body(expires_in=10 ** 12)), "expires_in"),
    ("expires_in beyond 64 bits", Script(body(expires_in=10 ** 30)), "expires_in"),
    ("expires_in with a fraction", Script(body(expires_in=1.5)), "expires_in"),
    ("expires_in as words", Script(body(expires_in="for ever")), "expires_in"),
    ("NaN", Script(body(expires_in=float("nan"))), "json"),
    ("members twice", Script(f'{{"access_token":"a","access_token":"{EVIL}","token_type":"Bearer"}}'), "duplicate"),
    ("deep JSON", Script(f'{{"access_token":"{EVIL}","token_type":"Bearer","x":' + "[" * 30_000 + "]" * 30_000 + "}"), "nested"),
    ("many members", Script(json.dumps({**GOOD, **{f"m{n}": 1 for n in range(500)}})), "members"),
    ("an array", Script(json.dumps([GOOD])), "json"),
    ("half a document", Script(body()[:-2]), "json"),
    ("two documents", Script(body() * 2), "json"),
    ("HTML as JSON", Script(f"<html>{EVIL}</html>"), "json"),
    ("another content type", Script(body(), content_type="text/html"), "content type"),
    ("no content type", Script(body(), content_type=None), "content type"),
    ("two content types", Script(body(), headers=["Content-Type: text/html"]), "content type"),
    ("compressed", Script(b"\x1f\x8b\x08" + b"\0" * 100, headers=["Content-Encoding: gzip"]), "json"),
    ("huge body", Script(body(x="a" * 70_000)), "body limit"),
    ("huge body without a length",
     Script(raw=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b" " * 200_000 + body().encode()), "body limit"),
    ("huge chunk", Script(raw=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n" + b" " * 200_000),
     "body limit"),
    ("huge head", Script(body(), headers=["x-pad: " + "a" * 1000] * 40), "header limit"),
    ("redirect", Script("", "307 Temporary Redirect", headers=["Location: http://127.0.0.1:9/"]), "redirect"),
    ("created", Script(body(), "201 Created"), "status 201"),
    ("no content", Script("", "204 No Content"), "status 204"),
    ("continue for ever", Script(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), "status 100"),
    ("no HTTP", Script(raw=b"SSH-2.0-x\r\n\r\n"), "bad"),
    ("an early end", Script(raw=b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"access_token":"a"'), "partial"),
    ("nothing", Script(raw=b""), "end of stream"),
]


class EndpointsTest(SpiffeCase):
    def endpoint(self, script, certificate=None):
        endpoint = Endpoint(script, certificate)
        self.addCleanup(endpoint.close)
        return endpoint

    def grant(self, endpoint, **changes):
        return {"do": "token", "grant": {"token_endpoint": endpoint.url(), "svid_audience": "https://as.example", **changes}}

    def test_an_honest_one_is_asked_once(self):
        endpoint = self.endpoint(granted())
        probe = self.probe(loopback=True)
        order = self.grant(endpoint, assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-spiffe", audience=["alpha"],
                           scopes=["read", "write"])
        for _ in range(3):
            self.assertEqual(probe.ask(**order)["value"], "Bearer " + TOKEN)
        self.assertEqual(probe.ask(**order, style="header", header="X-Token")["value"], TOKEN)
        self.assertTrue(probe.ask(**{**order, "do": "held"})["held"])
        self.assertEqual(len(endpoint.requests), 1)
        head, _, form = endpoint.requests[0].partition("\r\n\r\n")
        self.assertTrue(head.startswith("POST /token HTTP/1.1\r\n"))
        self.assertIn("\r\nContent-Type: application/x-www-form-urlencoded\r\n", head)
        for absent in ("authorization:", "cookie:", "accept-encoding:"):
            self.assertNotIn(absent, head.lower())
        fields = urllib.parse.parse_qs(form, strict_parsing=True)
        assertion = fields.pop("client_assertion")[0]
        self.assertEqual(fields, {"grant_type": ["client_credentials"], "audience": ["alpha"], "scope": ["read write"],
                                  "client_assertion_type": ["urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"]})
        claims = json.loads(base64.urlsafe_b64decode(assertion.split(".")[1] + "=="))
        self.assertEqual((claims["sub"], claims["aud"]), (ID, ["https://as.example"]))
        probe.ask(do="withdraw")
        self.assertFalse(probe.ask(**{**order, "do": "held"})["held"])

    def test_a_raw_jwt_svid(self):
        raw = self.probe().ask(do="token", grant={"kind": "raw_svid", "svid_audience": "https://api.example"}, style="header", header="x-svid")
        self.assertEqual((raw["name"], raw["value"].count(".")), ("x-svid", 2), raw)

    def test_what_is_hostile_is_not_used(self):
        endpoint = self.endpoint(None)
        probe = self.probe(loopback=True, first_pause_s=60)
        for number, (name, script, said) in enumerate(HOSTILE):
            endpoint.script, endpoint.requests = script, []
            order = self.grant(endpoint, audience=[f"hostile-{number}"])
            with self.subTest(what=name):
                refused = probe.ask(**order)
                self.assertFalse(refused["ok"], refused)
                self.assertIn(said, refused["error"])
                self.check_clean(refused["error"], endpoint)
                endpoint.script = granted()
                self.assertFalse(probe.ask(**order)["ok"])  # it is not asked again at once
                self.assertFalse(probe.ask(**{**order, "do": "held"})["held"])
                self.assertEqual(len(endpoint.requests), 1)

    def check_clean(self, error, endpoint):
        self.assertTrue(error.isprintable(), error)
        self.assertNotIn(EVIL[:8], error)
        assertion = urllib.parse.parse_qs(endpoint.requests[0].partition("\r\n\r\n")[2])["client_assertion"][0]
        self.assertNotIn(assertion, error)

    def test_errors_that_echo_the_assertion(self):
        def echo(request):
            return Script(json.dumps({"error": "invalid_scope", "error_description": "bad\r\n\x1b[31m " + request.partition("\r\n\r\n")[2]}),
                          "400 Bad Request")
        endpoint = self.endpoint(echo)
        refused = self.probe(loopback=True).ask(**self.grant(endpoint))
        self.assertEqual(refused["code"], "precondition", refused)
        self.check_clean(refused["error"], endpoint)
        self.assertNotIn("client_assertion", refused["error"])

    def test_one_that_is_slow_or_silent(self):
        probe = self.probe(loopback=True, deadline_ms=1000)
        for name, script in (("hang", Script(hang=20)), ("drip", Script(granted().bytes, raw=granted().bytes, drip=0.05))):
            with self.subTest(what=name):
                refused = probe.ask(**self.grant(self.endpoint(script)))
                self.assertEqual(refused["code"], "timeout", refused)
                self.assertLess(refused["ms"], 10_000)

    def test_redirects_and_proxies_see_nothing(self):
        trap = self.endpoint(granted())
        endpoint = self.endpoint(Script("", "308 Permanent Redirect", headers=[f"Location: {trap.url()}"]))
        proxy = f"http://127.0.0.1:{trap.port}"
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "grpc_proxy", "GRPC_PROXY")
        probe = self.probe(loopback=True, env={name: proxy for name in names})
        self.assertFalse(probe.ask(**self.grant(endpoint))["ok"])
        endpoint.script = granted()
        self.assertTrue(probe.ask(**self.grant(endpoint, audience=["other"]))["ok"])
        self.assertEqual(trap.connections, 0)

    def test_tls(self):
        pki = self.world.pki
        certificate, key = pki.issue("127.0.0.1")
        own = self.pin_of(certificate)
        right = self.endpoint(granted(), (certificate, key))
        other_ca = Pki(self.world.machine.folder("other-pki"), "Another CA")
        strange = self.endpoint(granted(), other_ca.issue("127.0.0.1"))
        named = self.endpoint(granted(), pki.issue("as.example"))
        self.assertTrue(self.probe(loopback=True, ca=pki.ca).ask(**self.grant(right))["ok"])
        for endpoint in (strange, named):
            refused = self.probe(loopback=True, ca=pki.ca).ask(**self.grant(endpoint))
            self.assertIn("TLS", refused["error"])
            self.assertEqual(endpoint.requests, [])
        # Variables that an image can set name no other authorities.
        fooled = self.probe(loopback=True, env={"SSL_CERT_FILE": pki.ca, "SSL_CERT_DIR": pki.folder})
        self.assertFalse(fooled.ask(**self.grant(right))["ok"])
        old = self.endpoint(granted(), (certificate, key))
        self.speak_old_tls(old.context)
        client = ssl.create_default_context(cafile=pki.ca)
        self.speak_old_tls(client)
        with socket.create_connection(("127.0.0.1", old.port)) as plain, client.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            self.assertEqual(connection.version(), "TLSv1.1")  # who would take that gets it
        refused = self.probe(loopback=True, ca=pki.ca).ask(**self.grant(old))
        self.assertFalse(refused["ok"])
        self.assertIn("TLS", refused["error"])
        self.assertEqual([request for request in old.requests if request], [])
        pin = self.pin_of(pki.issue("pin.example")[0])
        for pins, taken in (([own], True), ([pin], False), ([self.pin_of(pki.ca)], True), ([pin, own], True)):
            probe = self.probe(loopback=True, ca=pki.ca, pins={f"127.0.0.1:{right.port}": pins})
            answer = probe.ask(**self.grant(right))
            self.assertEqual(answer["ok"], taken, answer)

    def test_where_one_may_be(self):
        endpoint = self.endpoint(granted())
        self.assertIn("not opened", self.probe().ask(**self.grant(endpoint))["error"])
        resolved = self.probe(loopback=True, hosts={"as.example": ["169.254.169.254"], "local.example": ["127.0.0.1"], "inside.example": ["10.0.0.1"],
                                                    "mixed.example": ["93.184.216.34", "127.0.0.1"], "a.b.svc": ["127.0.0.1"], "c.d.svc": ["93.184.216.34"]}, cluster=True)
        for name, said in (("as.example", "never dialled"), ("local.example", "never dialled"), ("inside.example", "internal address"),
                           ("mixed.example", "never dialled"), ("unknown.example", "no such host")):
            refused = resolved.ask(do="token", grant={"token_endpoint": f"https://{name}:{endpoint.port}/token"})
            self.assertFalse(refused["ok"])
            self.assertIn(said, refused["error"])
        for name in ("a.b.svc", "c.d.svc"):
            refused = resolved.ask(do="token", grant={"token_endpoint": f"http://{name}:{endpoint.port}/token"})
            self.assertIn("without TLS only internal addresses", refused["error"])
        refused = resolved.ask(do="token", grant={"token_endpoint": f"http://as.example:{endpoint.port}/token"})
        self.assertIn("https", refused["error"])
        self.assertEqual(endpoint.connections, 0)

    def test_discovery(self):
        documents = {}
        endpoint = self.endpoint(lambda request: documents.get(request.split(" ")[1], Script("", "404 Not Found")))
        issuer = endpoint.url("/realms/a")
        well_known = "/.well-known/oauth-authorization-server/realms/a"
        order = {"do": "token", "grant": {"issuer": issuer}}
        documents["/realms/a/token"] = granted()
        for document, said in (({"issuer": endpoint.url("/realms/b"), "token_endpoint": endpoint.url("/realms/a/token")}, "another issuer"),
                               ({"issuer": issuer}, "no token endpoint"), ({"issuer": issuer, "token_endpoint": "http://as.example/t"}, "https")):
            documents[well_known] = Script(json.dumps(document))
            refused = self.probe(loopback=True).ask(**order)
            self.assertFalse(refused["ok"])
            self.assertIn(said, refused["error"])
        probe = self.probe(loopback=True)
        documents[well_known] = Script(json.dumps({"issuer": issuer, "token_endpoint": endpoint.url("/realms/a/token")}))
        self.assertTrue(probe.ask(**order)["ok"])
        endpoint.requests.clear()
        self.assertTrue(probe.ask(**{**order, "grant": {**order["grant"], "audience": ["other"]}})["ok"])
        self.assertEqual([request.split(" ")[1] for request in endpoint.requests], ["/realms/a/token"])

    @staticmethod
    def speak_old_tls(context):
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    @staticmethod
    def pin_of(certificate):
        public = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], check=True, capture_output=True).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, check=True, capture_output=True).stdout
        return hashlib.sha256(der).hexdigest()
