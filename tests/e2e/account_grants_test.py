"""Token grants by the pod's ServiceAccount token in place of a JWT-SVID (RFC 7523): tokens made by Kubernetes' own code in a volume that is
rotated as a kubelet does it, and an issuer that asks the cluster about each of them.  There is no SPIFFE agent."""
import functools
import json
import os
import subprocess

from e2e.support.cluster import Cluster, ProjectedToken
from e2e.support.keyward import ENVIRONMENT, SUPERVISOR
from e2e.support.token_grants import ALPHA, BETA, ISSUER
from e2e.token_grants_test import GrantsCase, place_of

POD, ACCOUNT = "grants", "system:serviceaccount:boxes:sandbox"
GRANT = {"assertion": "service_account", "jwtSvidAudience": ISSUER}
AGENT = "OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET"


@functools.lru_cache
def cluster_of(world):
    cluster = Cluster(world.machine, world.pki, 8490, inside=True)
    cluster.test("POST", "allow-reviews")
    place = place_of(world)
    place.machine.write(place.cluster, json.dumps({
        "url": cluster.url, "ca": world.pki.ca, "token": cluster.test("POST", "token", gateway=1), "account": ACCOUNT}))
    return cluster


class AccountGrantsTest(GrantsCase):
    def setUp(self):
        super().setUp()
        self.cluster = cluster_of(self.world)
        self.place.import_profile(name="accounts", **GRANT)
        self.place.import_profile(name="accounts-as-grants", grantType="jwt_bearer", **GRANT)
        self.cluster.pod(POD, "")
        self.volume = self.world.machine.folder(f"projected-{self._testMethodName[5:30]}", 0o755)
        self.projected = ProjectedToken(self.volume)
        self.known = len(self.place.recorded())
        self.token = self.put()

    def put(self, audience=ISSUER, seconds=3600):
        token = self.cluster.token(POD, audience=audience, seconds=seconds)
        self.projected.put(token)
        return token

    def sandbox(self, name, profile="accounts"):
        sandbox = super().sandbox("account-" + name, profile)
        del sandbox.environment[AGENT]
        sandbox.grants = ["--grant-range", self.place.address + "/32", "--grant-assertion-file", f"{ISSUER}={self.projected.path}"]
        return sandbox

    def proofs(self):
        return [value for what, value in self.place.recorded()[self.known:] if what == "proof"]

    def as_account(self, answer, name="alpha", scope="read"):
        self.assertEqual(answer["status"], 200, answer)
        self.assertEqual(answer["body"], {"service": name, "caller": ACCOUNT, "aud": name, "scope": scope})
        return answer

    def test_as_the_clients_assertion(self):
        self.place.agent.seen()
        sandbox = self.sandbox("client").client()
        for _ in range(2):
            self.as_account(sandbox.ask(ALPHA))
        self.as_account(sandbox.ask(BETA), "beta", "orders:read orders:write")
        self.assertEqual(self.proofs(), [self.token, self.token])
        self.assertFalse(self.place.agent.seen()["calls"])

    def test_as_the_grant(self):
        sandbox = self.sandbox("grant", "accounts-as-grants").client()
        self.as_account(sandbox.ask(ALPHA))
        self.assertEqual(self.proofs(), [self.token])

    def test_one_that_has_been_rotated(self):
        sandbox = self.sandbox("rotated").client()
        self.as_account(sandbox.ask(ALPHA))
        self.cluster.delete(POD)
        self.cluster.pod(POD, "")  # another one: what the first one had is worth nothing any more
        self.refused(sandbox.ask(BETA), 502)
        self.told(sandbox, f"is {ACCOUNT} its client")
        second = self.put()
        self.as_account(sandbox.ask_until(200, BETA, 60)[-1], "beta", "orders:read orders:write")
        self.assertEqual(self.proofs(), [self.token, second])

    def test_none_that_is_good_and_nothing_is_sent(self):
        sandbox = self.sandbox("ended")
        self.put(seconds=-10)
        sandbox.client()
        self.refused(sandbox.ask(ALPHA), 503)
        self.told(sandbox, f"--grant-assertion-file {ISSUER}: {self.projected.path}: ServiceAccount token: it has expired")
        os.unlink(os.path.join(self.volume, "..data"))
        self.refused(sandbox.ask(BETA), 503)
        self.told(sandbox, "No such file")
        self.assertEqual(self.seen(), [[], [], []])
        self.put()
        self.as_account(sandbox.ask_until(200, ALPHA)[-1])

    def test_one_for_another_audience(self):
        sandbox = self.sandbox("elsewhere")
        self.put(audience="https://elsewhere.keyward.test")
        self.refused(sandbox.client().ask(ALPHA), 502)
        self.told(sandbox, "aud is not the audience that was asked for")
        self.assertEqual(self.seen(), [[], [], []])

    def test_without_a_file_for_the_audience(self):
        none = self.sandbox("no-option")
        none.grants = none.grants[:2]
        self.refused(none.client().ask(ALPHA), 502)
        self.told(none, "a token grant needs --grant-assertion-file")
        none.stop()  # they have one user
        other = self.sandbox("other-option")
        other.grants[-1] = f"https://elsewhere.keyward.test={self.projected.path}"
        self.refused(other.client().ask(ALPHA), 502)
        self.told(other, f"no --grant-assertion-file is for the audience {ISSUER}")
        self.assertEqual(self.seen(), [[], [], []])

    def test_the_program_does_not_see_it(self):
        """Not the volume, nor the token anywhere else; and a file that is not there ends the start."""
        sandbox = self.sandbox("hidden")
        sandbox.environment["KEYWARD_GRANT_ASSERTION_FILE"] = sandbox.grants.pop()
        sandbox.grants.pop()
        script = f"ls -a {self.volume}; cat {self.projected.path}; env; curl -sS https://{ALPHA[0]}:{ALPHA[1]}/"
        done = sandbox.run("/bin/sh", "-c", script)
        self.assertIn(ACCOUNT, done.stdout)
        for hidden in ("..data", self.token, self.token.rpartition(".")[2], "KEYWARD_", self.proofs()[0].rpartition(".")[2]):
            self.assertNotIn(hidden, done.stdout + done.stderr)
        sandbox.environment["KEYWARD_GRANT_ASSERTION_FILE"] = f"{ISSUER}=/nowhere/token"
        missing = sandbox.run("/bin/true")
        self.assertEqual((missing.returncode, "--grant-assertion-file: /nowhere/token" in missing.stderr), (125, True), missing.stderr)

    def test_the_doctor_looks_at_it(self):
        sandbox = self.sandbox("doctor")
        for seconds, word in ((3600, f"{ACCOUNT} for {ISSUER} until"), (-10, "it has expired")):
            self.put(seconds=seconds)
            done = subprocess.run([SUPERVISOR, "doctor", *sandbox.options, *sandbox.grants], capture_output=True, text=True, timeout=60,
                                  env={**ENVIRONMENT, **sandbox.environment}, stdin=subprocess.DEVNULL)
            self.assertIn(word, done.stdout)
            self.assertNotIn(self.token.rpartition(".")[2], done.stdout + done.stderr)
