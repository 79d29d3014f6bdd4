"""Sandboxes that prove themselves by their pod: ServiceAccount tokens made and served by Kubernetes' own code."""
import functools
import json
import time

from e2e.suite import Case
from e2e.support.cluster import Cluster, ProjectedToken
from e2e.support.gateway_mode import GatewayMode
from e2e.support.keyward import Gateway
from e2e.support.machine import wait_until
from e2e.support.peers import call
from e2e.support.pod_exchange import ExchangeChecks, issue


@functools.lru_cache
def cluster_of(world):
    return Cluster(world.machine, world.pki, 17680)


class KubernetesTest(ExchangeChecks, Case):
    def gateway_of(self, label, port, *options):
        gateway = Gateway(self.world.machine, label, port, [*cluster_of(self.world).options(), *options]).start()
        self.addCleanup(gateway.stop)
        return gateway

    def test_by_the_clusters_keys(self):
        gateway = self.gateway_of("k8s-keys", 17681)
        self.check_exchange(cluster_of(self.world), gateway, "by-keys")
        asked = cluster_of(self.world).asked()
        self.assertNotIn("POST /apis/authentication.k8s.io/v1/tokenreviews", asked)
        self.assertLessEqual(asked["GET /openid/v1/jwks"], 3)
        # The cluster rotates its key: tokens of the new one are found by its kid.
        cluster = cluster_of(self.world)
        sandbox = self.sandbox(gateway, "rotated")
        cluster.pod("rotated", sandbox)
        cluster.test("POST", "rotate")
        wait_until(lambda: call(gateway, issue(cluster.token("rotated")))[0]["code"] == 0, 30, "the new key")

    def test_by_token_review(self):
        cluster_of(self.world).test("POST", "allow-reviews")
        gateway = self.gateway_of("k8s-review", 17682, "--kubernetes-token-review")
        self.check_exchange(cluster_of(self.world), gateway, "by-review")
        self.assertIn("POST /apis/authentication.k8s.io/v1/tokenreviews", cluster_of(self.world).asked())

    def test_a_supervisor_in_a_pod(self):
        """The supervisor exchanges the projected token, hides its volume, and exchanges the rotated one when its own is revoked."""
        cluster, gateway = cluster_of(self.world), self.gateway_of("k8s-pod", 17683)
        sandbox = GatewayMode(self.world, gateway, "pod", self.world.judge)
        cluster.pod("pod", sandbox.sandbox_id)
        volume = self.world.machine.folder("projected", 0o755)
        projected = ProjectedToken(volume)
        first = cluster.token("pod")
        projected.put(first)
        del sandbox.environment["OPENSHELL_SANDBOX_TOKEN_FILE"]
        sandbox.environment["OPENSHELL_K8S_SA_TOKEN_FILE"] = projected.path
        process = sandbox.start("/bin/sh", "-c", f"ls -a {volume}; cat {projected.path}; env; echo; echo end; read line; exit 3")
        shown = []
        while not shown or shown[-1] not in ("end\n", ""):
            shown.append(process.stdout.readline())
        self.assertIn("end\n", shown, process.poll())
        self.assertNotIn("OPENSHELL", "".join(shown))
        self.assertNotIn("..data", "".join(shown))
        self.assertNotIn(first, "".join(shown))
        principal = json.loads(sandbox.debug_rpc("show-principal").stdout)
        self.assertEqual(principal["sandbox_id"], sandbox.sandbox_id)

        projected.put(cluster.token("pod"))
        asked = cluster.asked()
        refreshed = sandbox.debug_rpc("refresh")
        self.assertEqual(refreshed.returncode, 0, refreshed.stderr)
        self.assertEqual(cluster.asked(), asked)  # a good token is refreshed, not exchanged anew
        process.stdin.write("go\n")
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 3)

        missing = sandbox.run("/bin/true", env={"OPENSHELL_K8S_SA_TOKEN_FILE": "/nowhere/token"})
        self.assertIn("OPENSHELL_K8S_SA_TOKEN_FILE", missing.stderr)
        self.assertNotEqual(missing.returncode, 0)
        cluster.delete("pod")
        began = time.monotonic()
        refused = sandbox.run("/bin/true")
        self.assertEqual(refused.returncode, 125, refused.stderr)
        self.assertIn("sandbox pod not found", refused.stderr)
        self.assertLess(time.monotonic() - began, 10)
