"""A pod's ServiceAccount token as client assertion at a real Keycloak, by its Kubernetes identity provider."""
import functools

from e2e.keycloak_spiffe_test import claims_of
from e2e.spiffe_test import SpiffeCase
from e2e.support.cluster import Cluster, ProjectedToken
from e2e.support.keycloak_accounts import ACCOUNT, API, CLIENT, AccountKeycloak


@functools.lru_cache
def cluster_of(world):
    return Cluster(world.machine, world.pki, 17684, is_issuer=True)


@functools.lru_cache
def keycloak_of(world):
    return AccountKeycloak(world.machine, world.pki, cluster_of(world), 17936).start()


class KeycloakAccountsTest(SpiffeCase):
    slow = True
    limit = 1200  # the distribution is fetched once, and Keycloak takes its time to start

    def setUp(self):
        super().setUp()
        self.cluster, self.keycloak = cluster_of(self.world), keycloak_of(self.world)
        self.cluster.pod("keycloak", "")
        self.projected = ProjectedToken(self.world.machine.folder(f"keycloak-{self._testMethodName[5:20]}", 0o755))
        self.client = self.probe(loopback=True, assertion_files={self.keycloak.url: self.projected.path})

    def put(self, **claims):
        self.projected.put(self.cluster.token("keycloak", **{"audience": self.keycloak.url, **claims}))

    def ask(self, **changes):
        return self.client.ask(do="token", grant={"issuer": self.keycloak.url, "assertion": "service_account", **changes})

    def test_the_pods_token_is_the_clients_proof(self):
        self.put()
        granted = self.ask()
        self.assertTrue(granted["ok"], granted)
        claims = claims_of(granted["value"])
        self.assertEqual((claims["iss"], claims["azp"], API in claims["aud"] or claims["aud"]), (self.keycloak.url, CLIENT, True))
        again = self.ask(scopes=["profile"])  # by the same token, which has its jti
        self.assertTrue(again["ok"], again)
        self.put()
        rotated = self.ask(scopes=["email"])
        self.assertTrue(rotated["ok"], rotated)

    def test_what_it_refuses(self):
        self.projected.put(self.cluster.test("POST", "token", account="another", audience=self.keycloak.url))
        refused = self.ask()
        self.assertEqual((refused["ok"], refused.get("code")), (False, "unauthenticated"), refused)
        self.assertIn(f"is {ACCOUNT.replace('sandbox', 'another')} its client", refused["error"])
        self.put()
        scope = self.ask(scopes=["of-nobody"])
        self.assertEqual((scope["ok"], scope.get("code")), (False, "precondition"), scope)

    def test_what_is_not_sent(self):
        for claims, code, said in (({"seconds": -10}, "unavailable", "has expired"), ({"audience": "https://elsewhere"}, "denied", "aud is not")):
            with self.subTest(claims=claims):
                self.put(**claims)
                refused = self.ask(audience=[said.replace(" ", "-")])
                self.assertEqual((refused["ok"], refused.get("code")), (False, code), refused)
                self.assertIn(said, refused["error"])
