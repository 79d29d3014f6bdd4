"""Sandboxes that prove themselves by their pod: ServiceAccount tokens made and served by Kubernetes' own code."""
import functools
import json
import os
import time

from e2e.suite import Case
from e2e.support.cluster import Cluster, ProjectedToken
from e2e.support.gateway_mode import GatewayMode
from e2e.support.keyward import Gateway
from e2e.support.machine import wait_until
from e2e.support.peers import call

UNAUTHENTICATED, DENIED = 16, 7


@functools.lru_cache
def cluster_of(world):
    return Cluster(world.machine, world.pki, 17680)


def issue(token):
    return {"method": "IssueSandboxToken", "token": token}


class KubernetesTest(Case):
    def gateway_of(self, label, port, *options):
        gateway = Gateway(self.world.machine, label, port, [*cluster_of(self.world).options(), *options]).start()
        self.addCleanup(gateway.stop)
        return gateway

    def sandbox(self, gateway, name):
        created = gateway.operator("sandbox", "create", name)
        self.assertEqual(created.returncode, 0, created.stderr)
        return created.stdout.split()[0]

    def check_exchange(self, gateway, name):
        """What holds whichever way tokens are validated."""
        cluster, sandbox = cluster_of(self.world), self.sandbox(gateway, name)
        cluster.pod(name, sandbox)
        cluster.pod(f"{name}-plain", "")
        cluster.pod(f"{name}-lost", "00000000-0000-4000-8000-000000000000")
        good = cluster.token(name)
        exchanged, config, refresh = call(
            gateway, issue(good), {"method": "GetSandboxConfig", "token": good, "request": {"sandbox_id": sandbox}},
            {"method": "RefreshSandboxToken", "token": good})
        self.assertEqual(exchanged["code"], 0, exchanged)
        self.assertEqual([config["code"], refresh["code"]], [UNAUTHENTICATED] * 2)  # good for the exchange alone
        own = exchanged["answer"]["token"]
        answers = call(
            gateway, {"method": "GetSandboxConfig", "token": own, "request": {"sandbox_id": sandbox}}, issue(own),
            issue(cluster.token(name, "https://kubernetes.default.svc")), issue(cluster.token(f"{name}-plain")),
            issue(cluster.token(f"{name}-lost")),
            issue(cluster.test("POST", "token", account="sandbox", audience="openshell-gateway")),
            issue(cluster.test("POST", "token", account="default", audience="openshell-gateway")), issue(good[:-8] + "AAAAAAAA"))
        self.assertEqual([one["code"] for one in answers],
                         [0, DENIED, UNAUTHENTICATED, DENIED, 5, DENIED, DENIED, UNAUTHENTICATED], answers)
        # The pod is deleted and comes again under its name: its old token is worth nothing, also where the API server still
        # remembers it as good.
        cluster.test("DELETE", f"pods/{name}")
        self.assertNotEqual(call(gateway, issue(good))[0]["code"], 0)
        cluster.pod(name, sandbox)
        self.assertNotEqual(call(gateway, issue(good))[0]["code"], 0)
        self.assertEqual(call(gateway, issue(cluster.token(name)))[0]["code"], 0)
        # Deleted here: the pod's token is good, and nobody is behind it.
        self.assertEqual(gateway.operator("sandbox", "delete", name).returncode, 0)
        self.assertEqual(call(gateway, issue(cluster.token(name)))[0]["code"], 5)
        with open(os.path.join(gateway.folder, "audit.jsonl"), encoding="utf-8") as file:
            self.assertNotIn(good, file.read())

    def test_by_the_clusters_keys(self):
        gateway = self.gateway_of("k8s-keys", 17681)
        self.check_exchange(gateway, "by-keys")
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
        self.check_exchange(self.gateway_of("k8s-review", 17682, "--kubernetes-token-review"), "by-review")
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
        cluster.test("DELETE", "pods/pod")
        began = time.monotonic()
        refused = sandbox.run("/bin/true")
        self.assertEqual(refused.returncode, 125, refused.stderr)
        self.assertIn("sandbox pod not found", refused.stderr)
        self.assertLess(time.monotonic() - began, 10)
