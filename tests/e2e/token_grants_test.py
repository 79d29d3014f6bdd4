"""Token grants of a gateway's profile, from the agent's JWT-SVID to the header that a service reads: when they come, when they stop, and that
the sandboxed program has neither proof nor token."""
import functools
import json
import os
import subprocess
import time

from e2e.canary_test import PROGRAM, as_needles
from e2e.suite import Case
from e2e.support.keyward import ENVIRONMENT, SUPERVISOR
from e2e.support.machine import wait_until
from e2e.support.spiffe import DOMAIN, ID
from e2e.support.talker import bytes_of
from e2e.support.token_grants import ALPHA, BETA, ISSUER, GrantSandbox, Place


@functools.lru_cache
def place_of(world):
    return Place(world)


class GrantsCase(Case):
    limit = 180

    def setUp(self):
        self.place = place_of(self.world)
        self.addCleanup(self.reset)
        self.seen()

    def reset(self):
        self.place.agent.say(do="entries", entries=[{"id": ID}])
        self.place.agent.say(do="fail", code=0)
        if self.place.issuer.process.poll() is not None:
            self.place.issuer.start()

    def seen(self):
        """What the issuer, alpha and beta have logged since the last time."""
        return [server.seen() for server in self.place.servers()]

    def sandbox(self, name, *profile):
        sandbox = GrantSandbox(self.place, name, *profile)
        self.addCleanup(sandbox.stop)
        return sandbox

    def client(self, name):
        return self.sandbox(name).client()

    def answered(self, answer, name, scope):
        self.assertEqual(answer["status"], 200, answer)
        self.assertEqual(answer["body"], {"service": name, "caller": ID, "aud": name, "scope": scope})
        return answer

    def refused(self, answer, status):
        self.assertEqual((answer["status"], answer.get("type")), (status, "application/problem+json"), answer)
        self.assertEqual(answer["body"]["code"], "token_unavailable", answer)
        return answer

    def told(self, sandbox, words):
        """Why, in the supervisor's log: it is the operator's to know."""
        why = [event["detail"] for event in sandbox.events("token_not_granted")]
        self.assertTrue(any(words in each for each in why), why)


class GrantsTest(GrantsCase):
    def test_each_service_gets_a_token_of_its_own(self):
        sandbox = self.client("each")
        for _ in range(3):
            self.answered(sandbox.ask(ALPHA), "alpha", "read")
            self.answered(sandbox.ask(BETA), "beta", "orders:read orders:write")
        self.answered(sandbox.ask(BETA, "POST", body="an order"), "beta", "orders:read orders:write")
        self.assertEqual(sandbox.ask(ALPHA, "POST", body="a change")["status"], 403)
        issuer, alpha, beta = self.seen()
        self.assertEqual([(line["client"], line["aud"], line["scope"]) for line in issuer],
                         [(ID, "alpha", "read"), (ID, "beta", "orders:read orders:write")])
        self.assertEqual([(line["caller"], line["aud"]) for line in alpha + beta], [(ID, "alpha")] * 4 + [(ID, "beta")] * 4)

    def test_plain_curl(self):
        done = self.sandbox("curl").run("/bin/sh", "-c", "for url do curl -sS $url || exit; done", "sh", *(f"https://{host}:{port}/" for host, port in (ALPHA, BETA)))
        answers = [json.loads(line) for line in self.ended_well(done).splitlines()]
        self.assertEqual([(answer["aud"], answer["caller"]) for answer in answers], [("alpha", ID), ("beta", ID)])

    def test_the_clients_own_value_is_replaced(self):
        sandbox = self.client("own-value")
        for names in (["Authorization"], ["authorization", "AUTHORIZATION"], ["Authorization", "authorization"]):
            answer = sandbox.ask(ALPHA, headers=[(name, f"Bearer of-my-own-{number}") for number, name in enumerate(names)])
            self.answered(answer, "alpha", "read")  # which refuses a request that has two
        _, alpha, _ = self.seen()
        self.assertEqual([line["status"] for line in alpha], [200, 200, 200])

    def test_a_refused_token_is_replaced_once(self):
        sandbox = self.client("refused")
        first = self.answered(sandbox.ask(ALPHA), "alpha", "read")
        self.place.issuer.restart()  # with another key: what it gave before is not believed any more
        self.seen()
        self.assertEqual(self.answered(sandbox.ask(ALPHA), "alpha", "read")["local"], first["local"])
        issuer, alpha, _ = self.seen()
        self.assertEqual(([line["aud"] for line in issuer], [line["status"] for line in alpha]), (["alpha"], [401, 200]))

    def test_a_service_that_refuses_every_token(self):
        sandbox = self.client("unbelieving")
        first = self.answered(sandbox.ask(ALPHA), "alpha", "read")
        self.addCleanup(self.place.issuer.restart)  # which publishes its key again
        self.place.machine.write(self.place.keys, '{"keys": []}')
        self.seen()
        began = time.monotonic()
        answers = [sandbox.ask(ALPHA) for _ in range(4)]
        self.assertEqual({(answer["status"], answer["local"]) for answer in answers}, {(401, first["local"])})  # the service's own answer
        issuer, alpha, _ = self.seen()
        self.assertIn(len(issuer), range(1, 2 + int((time.monotonic() - began) / 30)))  # anew once, and again after half a minute at the soonest
        self.assertLessEqual(len(alpha), 2 * len(answers))

    def test_an_issuer_that_is_away(self):
        sandbox = self.client("away")
        self.place.issuer.stop()
        refusal = self.refused(sandbox.ask(ALPHA), 503)
        self.assertEqual(self.seen()[1], [])  # never forwarded without its token
        self.place.issuer.start()
        last = sandbox.ask_until(200, ALPHA)[-1]
        self.assertEqual(last["local"], refusal["local"])  # the connection has lived on
        self.place.issuer.stop()
        self.answered(sandbox.ask(ALPHA), "alpha", "read")  # a token is used to its end
        self.refused(sandbox.ask(BETA), 503)
        self.refused(sandbox.ask(BETA, "POST", body="an order"), 503)  # a body that nobody reads ends the connection
        self.refused(sandbox.ask(BETA), 503)
        self.assertEqual(self.seen()[2], [])

    def test_a_grant_that_is_withdrawn(self):
        sandbox = self.client("withdrawn")
        first = self.answered(sandbox.ask(ALPHA), "alpha", "read")
        self.place.must("provider", "detach", sandbox.name, sandbox.provider)
        last = sandbox.ask_until(401, ALPHA)[-1]  # on the connection that was open
        self.assertEqual((last["local"], last["body"]["reason"]), (first["local"], "there must be one token"))
        self.assertEqual(sandbox.ask(BETA)["status"], 401)
        self.place.must("provider", "attach", sandbox.name, sandbox.provider)
        self.assertEqual(sandbox.ask_until(200, ALPHA)[-1]["local"], first["local"])
        self.assertEqual([line["aud"] for line in self.seen()[0]], ["alpha", "alpha"])  # what was held is not held after that

    def test_a_profile_that_changes(self):
        sandbox = self.client("changes")
        self.answered(sandbox.ask(BETA), "beta", "orders:read orders:write")
        self.place.import_profile(beta_scopes=["orders:read"])
        self.addCleanup(self.place.import_profile)
        answers = sandbox.ask_until_it_says(lambda answer: answer["body"].get("scope") == "orders:read", BETA)
        self.assertEqual({answer["status"] for answer in answers}, {200})
        self.assertEqual(sandbox.ask(BETA, "POST", body="an order")["status"], 403)


    def test_what_is_counted_and_recorded(self):
        sandbox = self.client("counted")
        known = len(self.place.recorded())
        for _ in range(3):
            self.answered(sandbox.ask(ALPHA), "alpha", "read")
        self.place.issuer.stop()
        self.refused(sandbox.ask(BETA), 503)
        metrics = self.ended_well(subprocess.run(
            [SUPERVISOR, "debug-rpc", "metrics", "--socket", sandbox.environment["KEYWARD_CONTROL_SOCKET"]],
            capture_output=True, text=True, timeout=60, env=ENVIRONMENT))
        server = f'server="{ISSUER}"'
        for line in ('requests_total{served="held"} 2', 'requests_total{served="waited"} 2', f'fetches_total{{{server},result="ok"}} 1',
                     f'fetches_total{{{server},result="unavailable"}} 1', "fetch_seconds_count 2", "wait_seconds_count 2", "fetches_under_way 0"):
            self.assertIn(f"\nkeyward_supervisor_grant_{line}\n", metrics)
        wait_until(lambda: bytes_of(sandbox.audit).count(b'"class_uid":3002') == 2, 20, "the audit trail")
        text = bytes_of(sandbox.audit).decode()
        events = [event for event in map(json.loads, text.splitlines()) if event["class_uid"] == 3002]
        self.assertEqual([(event["type_uid"], event["status_id"], event["service"]["name"], event["user"]["uid"], event["unmapped"]["credential"])
                          for event in events], [(300204, 1, "alpha", ID, f"{sandbox.provider}:token"), (300204, 2, "beta", ID, f"{sandbox.provider}:token")])
        self.assertIn(events[0]["unmapped"]["lifetime_seconds"], range(290, 301))  # a JWT is used to its own end, which is in whole seconds
        self.assertEqual(events[1]["status_detail"], "unavailable")
        for _, value in self.place.recorded()[known:]:
            self.assertNotIn(value.rpartition(".")[2], text + metrics)


class AgentTest(GrantsCase):
    def test_an_agent_that_restarts(self):
        sandbox = self.client("restart")
        self.answered(sandbox.ask(ALPHA), "alpha", "read")
        self.place.agent.say(do="stop")
        try:
            held, refused = sandbox.ask(ALPHA), sandbox.ask(BETA)
        finally:
            self.place.agent.say(do="start")
        self.answered(held, "alpha", "read")
        self.refused(refused, 503)
        self.assertEqual(sandbox.ask_until(200, BETA)[-1]["local"], refused["local"])
        self.assertIn("beta", [line.get("aud") for line in self.seen()[0]])

    def test_an_agent_whose_socket_is_replaced_and_keys_are_rotated(self):
        sandbox = self.client("replaced")
        self.answered(sandbox.ask(ALPHA), "alpha", "read")
        self.place.agent.say(do="replace")
        self.place.agent.say(do="rotate")
        self.place.refresh_bundle()
        self.answered(sandbox.ask(BETA), "beta", "orders:read orders:write")

    def test_an_identity_that_is_not_registered(self):
        sandbox = self.client("unregistered")
        self.place.agent.say(do="entries", entries=[{"id": f"spiffe://{DOMAIN}/somebody-else"}])
        self.refused(sandbox.ask(ALPHA), 502)
        self.told(sandbox, "register an entry")
        self.assertEqual(self.seen()[0], [])
        self.place.agent.say(do="entries", entries=[{"id": ID}])
        sandbox.ask_until(200, ALPHA)

    def test_without_an_agent_what_is_bound_is_closed(self):
        sandbox = self.sandbox("agentless")
        del sandbox.environment["OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET"]
        sandbox.client()
        self.refused(sandbox.ask(ALPHA), 502)
        self.told(sandbox, "OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET is not set")
        self.assertEqual(self.seen()[1], [])

    def test_an_issuer_at_an_address_that_is_not_opened(self):
        sandbox = self.sandbox("unopened")
        sandbox.grants = []
        sandbox.client()
        self.refused(sandbox.ask(ALPHA), 502)
        self.told(sandbox, f"{self.place.address} is an internal address")
        self.assertEqual(self.seen(), [[], [], []])

    def test_an_issuer_whose_key_is_pinned(self):
        """As docs/SPIFFE.md makes a pin, here of the authority of its certificate."""
        made = 'openssl x509 -in "$0" -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64'
        pin = subprocess.run(["/bin/sh", "-c", made, self.place.pki.ca], check=True, capture_output=True, text=True).stdout.strip()
        server, other = ISSUER.removeprefix("https://"), "A" * 43 + "="
        pinned = self.sandbox("pinned")
        pinned.grants += ["--grant-pin", f"{server}=sha256/{other}", "--grant-pin", f"{server}=sha256/{pin}"]
        self.answered(pinned.client().ask(ALPHA), "alpha", "read")
        pinned.stop()  # they have one user
        self.seen()
        closed = self.sandbox("pinned-otherwise")
        closed.grants += ["--grant-pin", f"{server}=sha256/{other}"]
        self.refused(closed.client().ask(ALPHA), 502)
        self.told(closed, "none has a key that is pinned")
        self.assertEqual(self.seen(), [[], [], []])


class CertificateTest(GrantsCase):
    """The X.509-SVID's certificate in place of a JWT-SVID."""

    def setUp(self):
        super().setUp()
        self.place.import_profile(name="certified", clientAuth="tls_client_auth")
        self.addCleanup(self.place.refresh_bundle)

    def test_it_is_presented_and_follows_the_agent(self):
        sandbox = self.sandbox("certified", "certified").client()
        self.place.agent.seen()
        self.answered(sandbox.ask(ALPHA), "alpha", "read")
        self.assertEqual([call["method"] for call in self.place.agent.seen()["calls"]], ["FetchX509SVID"])
        self.assertEqual([(line["client"], line["aud"]) for line in self.seen()[0]], [(ID, "alpha")])
        self.assertEqual(self.place.recorded()[-2][:2], ("proof", "certificate"))
        self.place.agent.say(do="authority")
        authorities = self.place.agent.say(do="x509-bundle", domain=DOMAIN)["pem"].split("-----BEGIN")
        self.place.machine.write(self.place.clients, "-----BEGIN" + authorities[-1])
        self.place.issuer.restart()  # what the old authority has signed is not believed any more
        self.answered(sandbox.ask_until(200, BETA, 60)[-1], "beta", "orders:read orders:write")

    def test_one_that_the_agent_takes_back(self):
        sandbox = self.sandbox("taken-back", "certified").client()
        self.answered(sandbox.ask(ALPHA), "alpha", "read")
        self.place.agent.say(do="entries", entries=[])
        self.place.agent.say(do="rotate")  # which sends anew: that there is none
        wait_until(lambda: sandbox.events("agent_stream_ended"), 20, "the agent's refusal")
        self.refused(sandbox.ask(BETA), 502)
        self.told(sandbox, "register an entry")
        self.place.agent.say(do="entries", entries=[{"id": ID}])
        sandbox.ask_until(200, BETA, 60)


class HidingTest(GrantsCase):
    limit = 600
    # What curl itself tells of its requests stays in a file, where the search meets it.
    LOOKER = """
for url in "$2" "$3"; do curl -sS -v -o /dev/null "$url" 2>>/tmp/report || exit 1; done
env >>/tmp/report
echo ready
exec /usr/bin/python3 -c "$1" /
"""

    def setUp(self):
        super().setUp()
        self.known = len(self.place.recorded())
        with open(PROGRAM, encoding="utf-8") as file:
            self.search = file.read()

    order = ["proof", "alpha", "proof", "beta"]

    def secrets(self):
        """The signatures of what was proved and given in this test: they are what a thief would need."""
        recorded = self.place.recorded()[self.known:]
        self.assertEqual([what for what, _ in recorded], self.order)
        return {f"{what}-{number}": value.rpartition(".")[2] for number, (what, value) in enumerate(recorded)}

    def started(self, name):
        urls = (f"https://{host}:{port}/" for host, port in (ALPHA, BETA))
        return self.sandbox(name).start("/bin/bash", "-c", self.LOOKER, "looker", self.search, *urls)

    def test_nothing_is_found_inside(self):
        sandbox = self.started("inside")
        secrets = self.secrets()
        out, _ = sandbox.process.communicate(as_needles(secrets), timeout=500)
        self.assertEqual(sandbox.process.returncode, 0, out)
        self.assertNotIn("found", out)
        self.assertRegex(out, r"looked [1-9]\d\d+ \d+ [1-9]\d*")
        place = self.place
        self.silent(secrets, sandbox.audit, sandbox.log, place.gateway.database, os.path.join(place.gateway.folder, "audit.jsonl"),
                    place.machine.log("grants-gateway"), *(server.log for server in place.servers()))

    def silent(self, secrets, *paths):
        for path in paths:
            with open(path, "rb") as file:
                text = file.read()
            self.assertNotEqual(text, b"", path)
            self.assertEqual([name for name, value in secrets.items() if value.encode() in text], [], path)

    def test_each_is_found_outside(self):
        sandbox = self.started("outside")
        secrets = self.secrets()
        done = subprocess.run(["/usr/bin/python3", PROGRAM, self.place.machine.secrets, str(sandbox.process.pid)], input=as_needles(secrets),
                              capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
        out = self.ended_well(done)
        for name in secrets:
            self.assertIn(f"found {name} {self.place.record}", out)
        for name in ("alpha-1", "beta-3"):
            self.assertIn(f"found {name} memory of {sandbox.process.pid}", out)

    def test_what_is_withdrawn_is_in_no_memory(self):
        sandbox = self.client("wiped")
        secrets = self.used(sandbox)
        self.assertTrue(self.found_in_memory(sandbox, secrets))  # while they are held
        self.place.must("provider", "detach", sandbox.name, sandbox.provider)
        sandbox.ask_until(401, ALPHA)
        self.assertEqual(self.found_in_memory(sandbox, secrets), [])

    def used(self, sandbox):
        for _ in range(20):
            for place, name, scope in ((ALPHA, "alpha", "read"), (BETA, "beta", "orders:read orders:write")):
                self.answered(sandbox.ask(place), name, scope)
        self.answered(sandbox.ask(BETA, "POST", body="an order"), "beta", "orders:read orders:write")
        return self.secrets()

    def found_in_memory(self, sandbox, secrets):
        done = subprocess.run(["/usr/bin/python3", PROGRAM, "/nowhere", str(sandbox.process.pid)], input=as_needles(secrets),
                              capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
        return [line for line in self.ended_well(done).splitlines() if line.startswith("found ")]

    def test_no_socket_and_no_variable(self):
        agent = self.place.agent.path
        script = f"""
test ! -e {agent} && test -z "$(ls -A {os.path.dirname(agent)} 2>/dev/null)" && echo hidden
env | grep -ciE 'spiffe|^openshell_'
cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -ciE 'spiffe|^openshell_'
/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("{agent}")' 2>/dev/null || echo unreachable
"""
        done = self.sandbox("looking").run("/bin/sh", "-c", script)
        self.assertEqual(self.ended_well(done).split(), ["hidden", "0", "0", "unreachable"])
