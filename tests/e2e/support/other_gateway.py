"""A gateway of another hand (tests/peers/node/gateway.mjs), and the real supervisor as its client."""
import functools
import json
import os
import subprocess
import sys
import uuid

from e2e.suite import Case
from e2e.support.keyward import ENVIRONMENT, SUPERVISOR
from e2e.support.machine import wait_until
from e2e.support.talker import Talker, lines_of

USER = "59201"  # not the default one, so that what else runs on the machine is not met
ALLOWED, OTHER, PORT = "allowed.keyward.test", "other.keyward.test", 4430
PROBE = """
import os, socket, sys
from urllib.parse import urlsplit
proxy = urlsplit(os.environ["HTTPS_PROXY"])
print("ready", flush=True)
for line in sys.stdin:
    with socket.create_connection((proxy.hostname, proxy.port), 30) as connection:
        target = line.strip()
        connection.sendall(f"CONNECT {target} HTTP/1.1\\r\\nHost: {target}\\r\\n\\r\\n".encode())
        print(connection.recv(4096).split()[1].decode(), flush=True)
"""


@functools.lru_cache
def upstream_of(world):
    """Somebody who takes connections at the allowed names' port, so that an allowed tunnel is one that stands."""
    machine, there = world.machine, world.machine.network().there
    machine.start("interop-upstream", [sys.executable, "-m", "http.server", str(PORT), "--bind", there, "--directory",
                                       machine.folder("interop-upstream")], inside=True)
    wait_until(lambda: machine.network().listens(PORT), 20, "the upstream")
    return there


def wire_policy(*hosts, address, **more):
    """A SandboxPolicy in the contract's terms: tunnels to these hosts."""
    endpoints = [{"host": host, "port": PORT, "allowed_ips": [address + "/32"]} for host in hosts]
    return {"version": 1, "network_policies": {"tests": {"name": "tests", "endpoints": endpoints}}, **more}


def embedded(number, payload):
    """One length-delimited field as it is on the wire, for what the contract has no name for."""
    def varint(value):
        out = bytearray()
        while value > 127:
            out.append(value & 127 | 128)
            value >>= 7
        return bytes(out + bytes([value]))
    return varint(number << 3 | 2) + varint(len(payload)) + payload


class OtherGateway:
    def __init__(self, world, label, port, plaintext=False, **state):
        machine = world.machine
        self.world, self.machine, self.port, self.plaintext = world, machine, port, plaintext
        self.sandbox_id = str(uuid.uuid4())
        self.address = upstream_of(world)
        self.folder = machine.folder(f"other-{label}", 0o700)
        self.record = os.path.join(self.folder, "record.jsonl")
        config = {"port": port, "record": self.record, "state": {
            "sandboxes": [self.sandbox_id], "config": self.config(1, self.policy(ALLOWED)),
            "environment": {"provider_env_revision": "1"}, **state}}
        if not plaintext:
            config["certificate"], config["key"] = world.pki.issue("127.0.0.1")
        path = machine.write(f"other-{label}/config.json", json.dumps(config))
        self.talker = Talker(machine, f"other-{label}", "gateway.mjs", path)
        self.talker.line()

    def policy(self, *hosts, **more):
        return wire_policy(*hosts, address=self.address, **more)

    def config(self, version, policy, **more):
        return {"policy": policy, "version": version, "policy_hash": f"hash-{version}", "config_revision": str(1000 + version),
                "policy_source": "POLICY_SOURCE_SANDBOX", "provider_env_revision": "1", "workspace": "default",
                "policy_validation_failure_mode": "fail_closed", **more}

    def set(self, **state):
        self.talker.say(set=state)

    def say(self, **command):
        return self.talker.say(**command)

    def mint(self, seconds=3600, sandbox=None):
        return self.say(mint={"sandbox": sandbox or self.sandbox_id, "seconds": seconds})["token"]

    def calls(self, method=None):
        """What arrived, oldest first, each with `code` once it is answered and `messages` where it is a session."""
        calls = {}
        for line in lines_of(self.record):
            if "n" in line:
                calls[line["n"]] = {**line, "messages": []}
            elif "message" in line:
                calls[line["of"]]["messages"].append(line["message"])
            else:
                calls[line["of"]]["code"] = line["code"]
        return [call for call in calls.values() if method in (None, call["method"])]

    def answered(self, method, code=0):
        return [call for call in self.calls(method) if call.get("code") == code]

    def wait_for(self, what, seconds, check):
        wait_until(check, seconds, f"{what}; the last calls: {[(c['method'], c.get('code')) for c in self.calls()][-12:]}")

    def close(self):
        self.talker.close()


class Supervised:
    """The real supervisor with a token of that gateway; no two of them at once, they share a user."""

    def __init__(self, gateway, label, token_seconds=3600, poll=1):
        machine = gateway.machine
        self.machine, self.gateway = machine, gateway
        self.folder = machine.folder(f"supervised-{label}", 0o700)
        self.token_file = os.path.join(self.folder, "sandbox.jwt")
        self.put_token(gateway.mint(token_seconds))
        self.options = ["--user", f"{USER}:{USER}", "--upstream-ca", gateway.world.pki.ca, "--audit-log",
                        os.path.join(self.folder, "audit.jsonl")]
        for name in (ALLOWED, OTHER):
            self.options += ["--host-alias", f"{name}={gateway.address}"]
        self.environment = {
            **ENVIRONMENT, "OPENSHELL_ENDPOINT": f"http{'' if gateway.plaintext else 's'}://127.0.0.1:{gateway.port}",
            "OPENSHELL_SANDBOX_TOKEN_FILE": self.token_file, "OPENSHELL_POLICY_POLL_INTERVAL_SECS": str(poll),
            "OPENSHELL_LOG_LEVEL": "info", "KEYWARD_CONTROL_SOCKET": os.path.join(self.folder, "control.sock")}
        if not gateway.plaintext:
            self.environment["OPENSHELL_TLS_CA"] = gateway.world.pki.ca
        self.process = None

    def put_token(self, token):
        new = self.token_file + ".new"
        with open(new, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(token)
        os.replace(new, self.token_file)

    def token(self):
        with open(self.token_file, encoding="utf-8") as file:
            return file.read().strip()

    def command(self, *program, options=()):
        return [SUPERVISOR, "run", *self.options, *options, "--", *program]

    def run(self, *program, options=(), env=None, timeout=60):
        return subprocess.run(self.command(*program, options=options), capture_output=True, text=True, timeout=timeout,
                              env={**self.environment, **(env or {})}, stdin=subprocess.DEVNULL)

    def start(self, *program):
        """With pipes; its log goes to a file, so that no pipe fills."""
        self.log = self.machine.log(os.path.basename(self.folder))
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(*program), env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=log, text=True, bufsize=1, start_new_session=True)
        self.machine.processes.append(self.process)
        return self.process

    def probe(self):
        """A program that asks the proxy for one tunnel after another; see decision()."""
        process = self.start("/usr/bin/python3", "-uc", PROBE)
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the supervisor did not start its program; see {self.log}")
        return self

    def decision(self, host=ALLOWED):
        """`allowed`: the tunnel stands.  `denied`: the policy says so, or (503) there is none."""
        self.process.stdin.write(f"{host}:{PORT}\n")
        status = self.process.stdout.readline().strip()
        return {"200": "allowed", "403": "denied", "503": "denied"}.get(status, f"answered by {status or 'nothing'}")

    def debug_rpc(self, *arguments):
        return subprocess.run([SUPERVISOR, "debug-rpc", *arguments], capture_output=True, text=True, timeout=60, env=self.environment)

    def ask_config(self):
        return self.debug_rpc("get-sandbox-config", "--sandbox-id", self.gateway.sandbox_id)

    def end(self, patience=15):
        """Closes the program's input and waits: the exit code."""
        self.process.stdin.close()
        code = self.process.wait(patience)
        self.stop()
        return code

    def stop(self):
        if self.process is not None:
            self.machine.stop(self.process)
            self.process.stdout.close()


class InteropCase(Case):
    port = 17800

    def gateway(self, label, **more):
        InteropCase.port += 1
        gateway = OtherGateway(self.world, label, InteropCase.port, **more)
        self.addCleanup(gateway.close)
        return gateway

    def sandbox(self, gateway, label, **more):
        sandbox = Supervised(gateway, label, **more)
        self.addCleanup(sandbox.stop)
        return sandbox

    def pair(self, label, **state):
        gateway = self.gateway(label, **state)
        return gateway, self.sandbox(gateway, label)

    def probe(self, label, **state):
        gateway, sandbox = self.pair(label, **state)
        sandbox.probe()
        self.assertEqual(sandbox.decision(), "allowed")
        return gateway, sandbox

    def until(self, sandbox, decision, host=ALLOWED, seconds=20):
        wait_until(lambda: sandbox.decision(host) == decision, seconds, f"{host} {decision}")

    def reported(self, gateway, version, status):
        found = lambda: [call["request"] for call in gateway.answered("ReportPolicyStatus")
                         if (call["request"]["version"], call["request"]["status"]) == (version, status)]
        gateway.wait_for(f"{status} of {version}", 20, found)
        return found()[0]
