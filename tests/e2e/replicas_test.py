"""Two gateways on one PostgreSQL: what one of them has answered holds at the other, also after kill -9, and a database that goes away
strands nobody."""
import os

from e2e.suite import Case
from e2e.support.gateway_mode import GatewayMode
from e2e.support.keyward import Gateway
from e2e.support.machine import wait_until
from support import with_postgres


class ReplicasTest(Case):
    def setUp(self):
        if (why := with_postgres.obstacle()):
            self.skipTest(why)
        machine = self.world.machine
        self.cluster = with_postgres.Cluster()
        self.addCleanup(self.cluster.close)
        self.one = Gateway(machine, f"one-{self._testMethodName}", 17681, database=self.cluster.url).start()
        self.addCleanup(self.one.stop)
        self.two = Gateway(machine, f"two-{self._testMethodName}", 17682, database=self.cluster.url, tls=self.one.tls).start()
        self.addCleanup(self.two.stop)

    def sandbox(self, name):
        return GatewayMode(self.world, self.one, f"replicated-{name}", self.world.judge)

    def ask(self, sandbox, gateway, token, *call):
        """The exit code of debug-rpc, which is the gRPC code."""
        file = os.path.join(sandbox.folder, f"copy-{gateway.label}")
        with open(file, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as copy:
            copy.write(token)
        environment = {"OPENSHELL_ENDPOINT": gateway.endpoint, "OPENSHELL_SANDBOX_TOKEN_FILE": file}
        done = sandbox.debug_rpc(*(call or ("get-sandbox-config", "--sandbox-id", sandbox.sandbox_id)), env=environment)
        with open(file, encoding="utf-8") as copy:
            return done.returncode, copy.read().strip()

    def token(self, sandbox):
        with open(sandbox.token_file, encoding="utf-8") as file:
            return file.read().strip()

    def test_what_one_decides_the_other_knows(self):
        sandbox = self.sandbox("shared")
        old = self.token(sandbox)
        self.assertEqual(self.ask(sandbox, self.two, old)[0], 0)
        code, fresh = self.ask(sandbox, self.one, old, "refresh")
        self.assertEqual(code, 0)
        self.assertNotEqual(fresh, old)
        self.assertEqual(self.ask(sandbox, self.two, old)[0], 16)
        self.assertEqual(self.ask(sandbox, self.two, fresh)[0], 0)
        self.ended_well(self.two.operator("sandbox", "delete", sandbox.name))
        self.assertEqual(self.ask(sandbox, self.one, fresh)[0], 16)

    def test_what_was_answered_holds_after_kill(self):
        sandbox = self.sandbox("killed")
        old = self.token(sandbox)
        code, fresh = self.ask(sandbox, self.one, old, "refresh")
        self.one.kill()  # right after the answer
        self.assertEqual(code, 0)
        self.assertEqual(self.ask(sandbox, self.two, old)[0], 16)
        self.assertEqual(self.ask(sandbox, self.two, fresh)[0], 0)

    def test_a_database_that_goes_away_and_comes_back(self):
        sandbox = self.sandbox("patient")
        token = self.token(sandbox)
        self.assertEqual(self.ask(sandbox, self.two, token)[0], 0)
        self.cluster.stop()
        self.assertEqual(self.ask(sandbox, self.two, token)[0], 14)
        self.cluster.start()
        wait_until(lambda: self.ask(sandbox, self.two, token)[0] == 0, 30, "the gateway with its database back")

    def test_the_password_stays_out_of_the_arguments(self):
        url = "postgresql://keyward:hunter2@127.0.0.1/keyward"
        done = self.one.run("serve", "--tls-dir", self.one.tls, "--database", url, "--operator-socket", self.one.socket + "-2")
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertNotIn("hunter2", done.stderr)
        self.assertIn("PGPASSFILE", done.stderr)
