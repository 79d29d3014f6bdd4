"""TLS of the channel to the gateway by SPIFFE: the X.509-SVID that the supervisor presents, and the identity that it demands of the gateway.
In between is a front that ends TLS as the test says; behind it is the real gateway."""
import functools
import os
import subprocess

from e2e.suite import Case
from e2e.support.idle_sandbox import IdleSandbox
from e2e.support.keyward import SUPERVISOR
from e2e.support.machine import wait_until
from e2e.support.spiffe import DOMAIN, ID, Agent
from e2e.support.tls_front import Front

GATEWAY = f"spiffe://{DOMAIN}/gateway"
PARTNER = "partner.example"
CLIENT, SERVER = ["--gateway-client-identity", "spiffe"], ["--gateway-spiffe-id", GATEWAY]


@functools.lru_cache
def agent_of(world):
    agent = Agent(world.machine, "gateway-identity-agent")
    agent.say(do="federate", domain=PARTNER)
    return agent


class IdentityCase(Case):
    limit = 180

    def setUp(self):
        self.agent = agent_of(self.world)
        self.addCleanup(self.reset)

    def reset(self):
        self.agent.say(do="entries", entries=[{"id": ID}])
        self.agent.say(do="fail", code=0)

    def front(self, certificate, clients=None):
        front = Front(self.world.gateway, certificate, clients)
        self.addCleanup(front.close)
        return front

    def named(self):
        """A front with a certificate for its name, which demands one of the trust domain."""
        return self.front(self.world.pki.issue("127.0.0.1"), self.authorities())

    def authorities(self, domain=DOMAIN):
        return self.agent.say(do="x509-bundle", domain=domain)["pem"]

    def issued(self, **order):
        """(certificate, key) of a gateway, from its own agent."""
        issued = self.agent.say(**{"do": "issue", "id": GATEWAY, "ttl": 3600, **order})
        return tuple(self.world.machine.write(f"secrets/gateway-identity.{kind}", issued[kind]) for kind in ("certificate", "key"))

    def sandbox(self, name, front, by_name=True):
        sandbox = IdleSandbox(self.world.gateway, f"identity-{name}", front.endpoint, self.agent)
        if by_name:
            sandbox.environment["OPENSHELL_TLS_CA"] = self.world.pki.ca
        self.addCleanup(sandbox.stop)
        return sandbox

    def refused(self, done, *words):
        self.assertEqual(done.returncode, 125, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)


class ClientTest(IdentityCase):
    def test_the_svid_is_presented_and_follows_the_agent(self):
        front = self.named()
        sandbox = self.sandbox("client", front).start(CLIENT)
        self.assertEqual(set(front.ids()), {(ID,)})
        first = {certificate["serialNumber"] for certificate in front.certificates}
        self.assertEqual(len(first), 1)
        for order in ("rotate", "authority"):  # another certificate, then one of another authority
            before = {certificate["serialNumber"] for certificate in front.certificates}
            if order == "authority":
                self.agent.say(do="authority")
                front.trust(self.authorities())
            else:
                self.agent.say(do="rotate")
            wait_until(lambda: {certificate["serialNumber"] for certificate in front.certificates} - before, 30, f"another connection after {order}")
        self.assertEqual(set(front.ids()), {(ID,)})
        self.assertGreaterEqual(len(sandbox.events("tls_svid_replaced")), 2)
        self.assertEqual(sandbox.events("gateway_lost"), [])
        self.assertIsNone(sandbox.process.poll())

    def test_what_the_agent_takes_back_is_used_no_more(self):
        front = self.named()
        sandbox = self.sandbox("taken-back", front).start(CLIENT)
        self.agent.say(do="entries", entries=[])
        self.agent.say(do="rotate")
        wait_until(lambda: sandbox.events("gateway_lost") and front.open == 0, 30, "the end of every connection")
        self.assertIn("the agent has no identity for this workload", sandbox.events("gateway_lost")[0]["detail"])
        before = len(front.certificates)
        self.assertIsNone(sandbox.process.poll())  # as long as the token lives
        self.agent.say(do="entries", entries=[{"id": ID}])
        wait_until(lambda: sandbox.events("gateway_back"), 60, "the gateway")
        self.assertGreater(len(front.certificates), before)
        self.assertEqual(sandbox.events("authority_lost"), [])

    def test_an_agent_that_is_away(self):
        front = self.named()
        sandbox = self.sandbox("agent-away", front).start(CLIENT)
        before = {certificate["serialNumber"] for certificate in front.certificates}
        self.agent.say(do="stop")
        wait_until(lambda: sandbox.events("agent_stream_ended"), 30, "the end of the stream")
        self.agent.say(do="start")  # whose SVID is another one
        wait_until(lambda: {certificate["serialNumber"] for certificate in front.certificates} - before, 60, "the next certificate")
        self.assertEqual(sandbox.events("gateway_lost"), [])

    def test_no_agent_at_the_start(self):
        sandbox = self.sandbox("agent-absent", self.named())
        sandbox.environment["OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET"] = os.path.join(self.world.machine.folder("no-agent", 0o700), "agent.sock")
        self.refused(sandbox.run(CLIENT), "agent.sock")

    def test_an_identity_that_is_not_registered(self):
        self.agent.say(do="entries", entries=[])
        front = self.named()
        self.refused(self.sandbox("unregistered", front).run(CLIENT), "no certificates for the gateway", "register an entry")
        self.assertEqual(front.certificates, [])

    def test_a_gateway_that_does_not_trust_it(self):
        front = self.front(self.world.pki.issue("127.0.0.1"), self.authorities(PARTNER))
        self.refused(self.sandbox("untrusted", front).run(CLIENT), "gateway")
        self.assertEqual(front.certificates, [])

    def test_debug_rpc_presents_it(self):
        front = self.named()
        sandbox = self.sandbox("debug", front)
        del sandbox.environment["KEYWARD_CONTROL_SOCKET"]  # no supervisor runs
        for arguments, variables in ((CLIENT, {}), ([], {"KEYWARD_GATEWAY_CLIENT_IDENTITY": "spiffe"})):
            done = subprocess.run([SUPERVISOR, "debug-rpc", "get-sandbox-config", "--sandbox-id", sandbox.id, "--spiffe-id", ID, *arguments],
                                  capture_output=True, text=True, timeout=60, env={**sandbox.environment, **variables})
            self.assertIn("policy_hash=", self.ended_well(done))
        self.assertEqual(front.ids(), [(ID,)] * 2)


class ServerTest(IdentityCase):
    def test_a_gateway_of_that_identity(self):
        front = self.front(self.issued(), self.authorities())
        done = self.sandbox("identity", front, by_name=False).run([*SERVER, *CLIENT], "/bin/echo", "ran")
        self.assertEqual(self.ended_well(done), "ran\n")
        self.assertEqual(set(front.ids()), {(ID,)})
        alone = self.front(self.issued())  # which asks for no certificate
        done = self.sandbox("identity-alone", alone, by_name=False).run(SERVER, "/bin/echo", "ran")
        self.assertEqual(self.ended_well(done), "ran\n")

    def test_a_gateway_of_a_federated_trust_domain(self):
        identity = f"spiffe://{PARTNER}/gateway"
        front = self.front(self.issued(id=identity))
        done = self.sandbox("federated", front, by_name=False).run(["--gateway-spiffe-id", identity], "/bin/echo", "ran")
        self.assertEqual(self.ended_well(done), "ran\n")

    def test_a_gateway_of_any_other_identity(self):
        for number, (what, order, words) in enumerate((
                ("another one", {"id": f"spiffe://{DOMAIN}/somebody-else"}, "another identity"),
                ("one of another trust domain", {"id": f"spiffe://{PARTNER}/gateway"}, "no certificate of"),
                ("one that another trust domain has signed", {"domain": PARTNER}, "no certificate of"),
                ("two", {"name": "two-uris"}, "exactly one URI"),
                ("an authority", {"name": "authority"}, "authority"),
                ("one that signs", {"name": "signer"}, "authority"),
                ("one that has expired", {"name": "expired"}, "no certificate of"))):
            with self.subTest(what=what):
                front = self.front(self.issued(**order))
                self.refused(self.sandbox(f"wrong-{number}", front, by_name=False).run(SERVER), "--gateway-spiffe-id", words)
        front = self.front(self.world.pki.issue("127.0.0.1"))
        self.refused(self.sandbox("wrong-name", front, by_name=False).run(SERVER), "no certificate of")

    def test_a_trust_domain_that_is_not_federated(self):
        sandbox = self.sandbox("stranger", self.front(self.issued()), by_name=False)
        self.refused(sandbox.run(["--gateway-spiffe-id", "spiffe://stranger.example/gateway"]), "no bundle of the gateway's trust domain stranger.example")

    def test_the_bundle_follows_the_agent(self):
        front = self.front(self.issued())
        sandbox = self.sandbox("bundle", front, by_name=False).start(SERVER)
        before = len(front.certificates)
        self.agent.say(do="authority")
        front.present(self.issued())  # of the new authority
        wait_until(lambda: sandbox.events("tls_svid_replaced") and len(front.certificates) > before, 30, "another connection")
        self.assertEqual(sandbox.events("gateway_lost"), [])

    def test_settings_that_contradict(self):
        front = self.named()
        sandbox = self.sandbox("settings", front)
        socket = {"OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET": ""}
        pair = dict(zip(("OPENSHELL_TLS_CERT", "OPENSHELL_TLS_KEY"), self.world.pki.issue("client.example")))
        for options, changes, words in (
                (SERVER, {}, ("--gateway-spiffe-id", "OPENSHELL_TLS_CA")),
                (CLIENT, pair, ("--gateway-client-identity", "OPENSHELL_TLS_CERT")),
                (CLIENT, socket, ("--gateway-client-identity", "OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET is not set")),
                (CLIENT, {"OPENSHELL_ENDPOINT": "http://127.0.0.1:1"}, ("--gateway-client-identity", "https://")),
                (CLIENT, {"OPENSHELL_ENDPOINT": ""}, ("OPENSHELL_ENDPOINT",)),
                (["--gateway-spiffe-id", "gateway"], {"OPENSHELL_TLS_CA": ""}, ("--gateway-spiffe-id", "SPIFFE ID"))):
            with self.subTest(options=options, changes=changes):
                done = subprocess.run(sandbox.command(options, "/bin/true"), capture_output=True, text=True, timeout=60,
                                      env={**sandbox.environment, **changes})
                self.refused(done, *words)
        self.assertEqual(front.certificates, [])
