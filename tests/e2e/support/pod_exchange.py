"""What holds for IssueSandboxToken whichever cluster made the pod's token, and whichever way the gateway checks it."""
import json
import os

from e2e.support.peers import call

UNAUTHENTICATED, DENIED, NOT_FOUND = 16, 7, 5


def issue(token):
    return {"method": "IssueSandboxToken", "token": token}


class ExchangeChecks:
    """For a Case; a cluster has pod(), delete(), token() and unbound_token()."""

    def sandbox(self, gateway, name):
        created = gateway.operator("sandbox", "create", name)
        self.assertEqual(created.returncode, 0, created.stderr)
        return created.stdout.split()[0]

    def check_exchange(self, cluster, gateway, name):
        sandbox = self.sandbox(gateway, name)
        cluster.pod(name, sandbox)
        good = cluster.token(name)
        self.check_tokens(cluster, gateway, name, good)
        # The pod is deleted and comes again under its name: its old token is worth nothing, also where the API server still
        # remembers it as good.
        cluster.delete(name)
        self.assertNotEqual(call(gateway, issue(good))[0]["code"], 0)
        cluster.pod(name, sandbox)
        self.assertNotEqual(call(gateway, issue(good))[0]["code"], 0)
        self.assertEqual(call(gateway, issue(cluster.token(name)))[0]["code"], 0)
        # Deleted here: the pod's token is good, and nobody is behind it.
        self.assertEqual(gateway.operator("sandbox", "delete", name).returncode, 0)
        self.assertEqual(call(gateway, issue(cluster.token(name)))[0]["code"], NOT_FOUND)
        with open(os.path.join(gateway.folder, "audit.jsonl"), encoding="utf-8") as file:
            self.assertNotIn(good, file.read())

    def check_tokens(self, cluster, gateway, name, good):
        """`good` is of the pod `name`, which carries the id of the sandbox of that name."""
        cluster.pod(f"{name}-plain", "")
        cluster.pod(f"{name}-lost", "00000000-0000-4000-8000-000000000000")
        sandbox = json.loads(gateway.operator("sandbox", "get", name, "--json").stdout)["id"]
        config = {"method": "GetSandboxConfig", "request": {"sandbox_id": sandbox}}
        exchanged, foreign, refresh = call(gateway, issue(good), {**config, "token": good},
                                           {"method": "RefreshSandboxToken", "token": good})
        self.assertEqual(exchanged["code"], 0, exchanged)
        self.assertEqual([foreign["code"], refresh["code"]], [UNAUTHENTICATED] * 2)  # good for the exchange alone
        own = exchanged["answer"]["token"]
        answers = call(
            gateway, {**config, "token": own}, issue(own), issue(cluster.token(name, "https://kubernetes.default.svc")),
            issue(cluster.token(f"{name}-plain")), issue(cluster.token(f"{name}-lost")), issue(cluster.unbound_token("sandbox")),
            issue(cluster.unbound_token("default")), issue(good[:-8] + "AAAAAAAA"))
        self.assertEqual([one["code"] for one in answers],
                         [0, DENIED, UNAUTHENTICATED, DENIED, NOT_FOUND, DENIED, DENIED, UNAUTHENTICATED], answers)
