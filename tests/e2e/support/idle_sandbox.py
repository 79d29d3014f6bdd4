"""A sandbox of a gateway whose program does nothing: what is looked at is the supervisor."""
import json
import os
import subprocess

from e2e.support.keyward import ENVIRONMENT, SUPERVISOR, policy
from e2e.support.spiffe import ID

USER = "59411"


class IdleSandbox:
    """No two of them run at once, they share a user.  `endpoint`: where its supervisor finds the gateway."""

    def __init__(self, gateway, name, endpoint, agent):
        self.gateway, self.machine, self.name, self.process = gateway, gateway.machine, name, None
        self.folder = self.machine.folder(name, 0o700)
        self.token_file = os.path.join(self.folder, "sandbox.jwt")
        policy_file = self.machine.write(f"{name}.yaml", policy([{"host": "api.keyward.test", "port": 443}]), 0o644)
        self.id = self.must("sandbox", "create", name, "--policy", policy_file, "--token-out", self.token_file).split()[0]
        self.log = self.machine.log(name)
        self.environment = {**ENVIRONMENT, "OPENSHELL_ENDPOINT": endpoint, "OPENSHELL_SANDBOX_TOKEN_FILE": self.token_file,
                            "OPENSHELL_POLICY_POLL_INTERVAL_SECS": "1", "OPENSHELL_LOG_LEVEL": "info",
                            "KEYWARD_CONTROL_SOCKET": os.path.join(self.folder, "control.sock"),
                            "OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET": agent.path}
        self.options = ["--user", f"{USER}:{USER}", "--audit-log", os.path.join(self.folder, "audit.jsonl"), "--spiffe-id", ID]

    def must(self, *arguments):
        done = self.gateway.operator(*arguments)
        if done.returncode:
            raise RuntimeError(f"gateway {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def command(self, options, *program):
        return [SUPERVISOR, "run", *self.options, *options, "--", *program]

    def run(self, options, *program):
        return subprocess.run(self.command(options, *(program or ("/bin/true",))), capture_output=True, text=True, timeout=60, env=self.environment,
                              stdin=subprocess.DEVNULL)

    def start(self, options=()):
        """A program that does nothing until its input ends."""
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command(options, "/bin/sh", "-c", "echo ready; read line"), env=self.environment, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        self.machine.processes.append(self.process)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the program did not start; see {self.log}")
        return self

    def stop(self):
        if self.process is not None:
            self.machine.stop(self.process)
            self.process.stdin.close()
            self.process.stdout.close()

    def events(self, name):
        with open(self.log, encoding="utf-8") as log:
            return [line for line in map(json.loads, log) if line["event"] == name]
