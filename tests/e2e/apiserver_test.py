"""Sandboxes that prove themselves by their pod to a gateway beside a real kube-apiserver, whose RBAC says what the gateway needs."""
import functools

from e2e.suite import Case
from e2e.support.apiserver import ApiServer
from e2e.support.keyward import Gateway
from e2e.support.machine import wait_until
from e2e.support.peers import call
from e2e.support.pod_exchange import DENIED, UNAUTHENTICATED, ExchangeChecks, issue

UNAVAILABLE = 14
KEYS = {("get", "/.well-known/openid-configuration", 200), ("get", "/openid/v1/jwks", 200)}
PODS = {("get", "pods", 200), ("get", "pods", 404)}


@functools.lru_cache
def apiserver_of(world):
    return ApiServer(world.machine, world.pki, 17820)


class ApiServerTest(ExchangeChecks, Case):
    slow = True
    limit = 3600  # kube-apiserver is built once

    def gateway_of(self, label, port, account, *options):
        gateway = Gateway(self.world.machine, label, port, [*apiserver_of(self.world).options(account), *options]).start()
        self.addCleanup(gateway.stop)
        return gateway

    def check_recreated(self, gateway, name):
        """The UID alone tells: name, account and audience are those of the pod that is there, and the signature is good."""
        apiserver = apiserver_of(self.world)
        sandbox = self.sandbox(gateway, name)
        first = apiserver.pod(name, sandbox)
        old = apiserver.token(name)
        self.assertEqual(call(gateway, issue(old))[0]["code"], 0)
        apiserver.delete(name)
        self.assertNotEqual(apiserver.pod(name, sandbox), first)
        refused = call(gateway, issue(old))[0]
        self.assertEqual(call(gateway, issue(apiserver.token(name)))[0]["code"], 0)
        return refused["code"], refused["text"]

    def check_foreign(self, gateway, name):
        """Same account and pod, same annotation, another namespace."""
        apiserver = apiserver_of(self.world)
        apiserver.pod(name, self.sandbox(gateway, name), "elsewhere")
        refused = call(gateway, issue(apiserver.token(name, namespace="elsewhere")))[0]
        self.assertEqual([refused["code"], refused["text"]], [DENIED, "not the ServiceAccount of sandboxes"])

    def test_by_the_clusters_keys(self):
        apiserver = apiserver_of(self.world)
        gateway = self.gateway_of("apiserver-keys", 17823, "gateway")
        self.check_exchange(apiserver, gateway, "by-keys")
        self.assertEqual(self.check_recreated(gateway, "again-by-keys"), (DENIED, "SA token pod UID mismatch"))
        self.check_foreign(gateway, "foreign-by-keys")
        self.assertEqual(apiserver.asked_by("gateway"), KEYS | PODS)

    def test_by_token_review(self):
        apiserver = apiserver_of(self.world)
        gateway = self.gateway_of("apiserver-review", 17824, "reviewer", "--kubernetes-token-review")
        self.check_exchange(apiserver, gateway, "by-review")
        # The API server keeps its own answers for some seconds; only then does the UID decide.
        self.assertIn(self.check_recreated(gateway, "again-by-review"),
                      [(DENIED, "SA token pod UID mismatch"), (UNAUTHENTICATED, "invalid token: the API server does not know it")])
        self.check_foreign(gateway, "foreign-by-review")
        self.assertEqual(apiserver.asked_by("reviewer"), {("create", "tokenreviews", 201)} | PODS)

    def test_rights_that_are_missing(self):
        """Every ServiceAccount may read the cluster's keys; without a right to the pods, or to reviews, nobody gets a token."""
        apiserver = apiserver_of(self.world)
        powerless = self.gateway_of("apiserver-powerless", 17825, "powerless")
        reviewing = self.gateway_of("apiserver-no-reviews", 17826, "powerless", "--kubernetes-token-review")
        for gateway, name in ((powerless, "pods-denied"), (reviewing, "reviews-denied")):
            apiserver.pod(name, self.sandbox(gateway, name))
            refused = call(gateway, issue(apiserver.token(name)))[0]
            self.assertEqual(refused["code"], UNAVAILABLE, refused)
            self.assertNotIn("127.0.0.1", refused["text"])
        self.assertEqual(apiserver.asked_by("powerless"), KEYS | {("get", "pods", 403), ("create", "tokenreviews", 403)})

    def test_rotation_and_absence(self):
        """The API server goes away and comes back with a new key on P-256; tokens of the old one stay good while it is published."""
        apiserver = apiserver_of(self.world)
        gateway = self.gateway_of("apiserver-rotation", 17827, "gateway")
        apiserver.pod("rotated", self.sandbox(gateway, "rotated"))
        old = apiserver.token("rotated")
        self.assertEqual(call(gateway, issue(old))[0]["code"], 0)
        apiserver.stop()
        self.assertEqual(call(gateway, issue(old))[0]["code"], UNAVAILABLE)
        apiserver.add_key("ecparam", "-genkey", "-noout", "-name", "prime256v1")
        apiserver.start()
        new = apiserver.token("rotated")
        wait_until(lambda: call(gateway, issue(new))[0]["code"] == 0, 60, "the cluster's new key")
        self.assertEqual(call(gateway, issue(old))[0]["code"], 0)
