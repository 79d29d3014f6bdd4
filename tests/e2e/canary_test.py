"""No secret can be found from inside the sandbox; the same search outside finds each of them."""
import os
import subprocess

from e2e.suite import Case
from e2e.support.gateway_mode import GatewayMode
from e2e.support.keyward import ENVIRONMENT
from e2e.support.s3_servers import Keys

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "support", "canary.py")


def as_needles(secrets):
    return "".join(f"{name} {bytes(byte ^ 0xFF for byte in value.encode()).hex()}\n" for name, value in secrets.items())


class CanaryTest(Case):
    def setUp(self):
        self.sandbox = GatewayMode(self.world, self.world.gateway, f"canary-{self._testMethodName[-8:]}".replace("_", "-"), self.world.judge)
        with open(self.sandbox.token_file, encoding="utf-8") as file:
            token = file.read().strip()
        with open(os.path.join(self.world.gateway.tls, "ca.crt"), encoding="utf-8") as file:
            self.assertIn("BEGIN CERTIFICATE", file.read())
        self.secrets = {"token": token.split(".")[2], "secret-key": Keys.secret, "access-key": Keys.access}
        with open(os.path.join(self.world.gateway.tls, "store.key"), encoding="utf-8") as file:
            self.secrets["store-key"] = file.read().strip()[:48]

    def test_nothing_is_found_inside(self):
        with open(PROGRAM, encoding="utf-8") as file:
            program = file.read()
        process = self.sandbox.start("/usr/bin/python3", "-c", program, "/", options=())
        out, errors = process.communicate(as_needles(self.secrets), timeout=500)
        self.assertEqual(process.returncode, 0, errors)
        self.assertNotIn("found", out)
        self.assertRegex(out, r"looked [1-9]\d\d+ \d+ [1-9]\d*")

    def test_each_is_found_outside(self):
        process = self.sandbox.start("/bin/sh", "-c", "echo ready; read line")
        self.addCleanup(self.world.machine.stop, process)
        self.assertEqual(process.stdout.readline(), "ready\n")
        done = subprocess.run(["/usr/bin/python3", PROGRAM, self.world.machine.work, str(process.pid)], input=as_needles(self.secrets),
                              capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
        out = self.ended_well(done)
        for name in self.secrets:
            self.assertIn(f"found {name} {self.world.machine.work}", out)
        for name in ("token", "secret-key"):
            self.assertIn(f"found {name} memory of {process.pid}", out)
