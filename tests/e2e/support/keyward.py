"""Our own programs as the tests run them: `supervisor run` in local mode, the gateway, and the files that they need."""
import json
import os
import subprocess

from e2e.support.machine import ROOT, wait_until
from e2e.support.s3_servers import REGION, Keys

SUPERVISOR = os.path.join(ROOT, "build-release/supervisor/supervisor")
GATEWAY = os.path.join(ROOT, "build-release/gateway/gateway")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}
SIGNING = {"protocol": "rest", "access": "full", "credential_signing": "sigv4", "signing_service": "s3",
           "signing_region": REGION}


def policy(endpoints, **more):
    """A policy file's text: JSON is YAML."""
    return json.dumps({"version": 1, "network_policies": {"tests": {"endpoints": endpoints}}, **more}, indent=1)


def endpoint(name, port, address, **keys):
    return {"host": name, "port": port, "allowed_ips": [address + "/32"], **keys}


class Local:
    """`supervisor run` without a gateway: policy and real keys from files, servers by --host-alias."""

    def __init__(self, machine, pki, names=(), endpoints=(), bind=(), label="local"):
        self.machine, self.label = machine, label
        address = machine.network().there
        self.policy_file = machine.write(f"{label}.yaml", policy(list(endpoints)), 0o644)
        self.options = ["--policy", self.policy_file, "--upstream-ca", pki.ca, "--audit-log", self.audit_log()]
        for name in names:
            self.options += ["--host-alias", f"{name}={address}"]
        if bind:
            self.options += ["--local-credentials", machine.write(f"secrets/{label}.toml", credentials_file(bind))]

    def audit_log(self):
        return os.path.join(self.machine.folder(f"{self.label}-audit", 0o700), "audit.jsonl")

    def audit_events(self):
        with open(self.audit_log(), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def command(self, *program, options=()):
        return [SUPERVISOR, "run", *self.options, *options, "--", *program]

    def run(self, *program, options=(), timeout=120, env=None):
        return subprocess.run(self.command(*program, options=options), capture_output=True, text=True, timeout=timeout,
                              env={**ENVIRONMENT, **(env or {})}, stdin=subprocess.DEVNULL)

    def shell(self, script, **options):
        return self.run("/bin/bash", "-euc", script, **options)

    def python(self, script, *arguments, **options):
        return self.run("/usr/bin/python3", "-c", script, *arguments, **options)

    def start(self, *program, options=(), env=None, **popen):
        process = subprocess.Popen(self.command(*program, options=options), env={**ENVIRONMENT, **(env or {})},
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen)
        self.machine.processes.append(process)
        return process


def credentials_file(bind, access=Keys.access, secret=Keys.secret):
    return f'[aws.tests]\naccess_key_id = "{access}"\nsecret_access_key = "{secret}"\nbind = {json.dumps(list(bind))}\n'


class Gateway:
    """`gateway serve` on loopback with its own operator socket, and with keys and database of its own unless it is a replica."""

    def __init__(self, machine, label="gateway", port=17670, options=(), database=None, tls=None):
        self.machine, self.label, self.port, self.options = machine, label, port, options
        self.folder = machine.folder(label, 0o700)
        self.database = database or os.path.join(self.folder, "gateway.db")
        self.socket = os.path.join(machine.folder(os.path.join(label, "operator"), 0o700), "operator.sock")
        self.tls = tls or os.path.join(self.folder, "tls")
        if not tls:
            self.must("certgen", "--output-dir", self.tls)
        self.process = None

    @property
    def endpoint(self):
        return f"https://127.0.0.1:{self.port}"

    def start(self):
        self.process = self.machine.start(self.label, [
            GATEWAY, "serve", "--tls-dir", self.tls, "--database", self.database, "--listen", f"127.0.0.1:{self.port}",
            "--audit-log", os.path.join(self.folder, "audit.jsonl"), "--log-level", "info",
            "--operator-socket", self.socket, *self.options])
        wait_until(lambda: self.answers() or self.process.poll() is not None, 20, "gateway")
        if self.process.poll() is not None:
            raise RuntimeError(f"gateway ended with {self.process.returncode}; see {self.machine.log(self.label)}")
        return self

    def answers(self):
        return os.path.exists(self.socket) and self.operator("health").returncode == 0

    def stop(self):
        self.machine.stop(self.process)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def run(self, *arguments):
        return subprocess.run([GATEWAY, *arguments], capture_output=True, text=True, env=ENVIRONMENT, timeout=60)

    def operator(self, *arguments):
        return self.run(*arguments, "--operator-socket", self.socket)

    def must(self, *arguments):
        done = self.run(*arguments)
        if done.returncode:
            raise RuntimeError(f"gateway {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout
