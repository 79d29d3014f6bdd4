"""`supervisor run` with a gateway: a sandbox record, its token file, and the supervisor that uses them."""
import base64
import json
import os
import subprocess
import time

from e2e.support.keyward import ENVIRONMENT, SIGNING, SUPERVISOR, Gateway, endpoint, policy
from e2e.support.s3_servers import Keys


def worthless_token():
    """Well-formed, and signed by nobody."""
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    now, sandbox = int(time.time()), "0b8f8a6e-5a4c-4f6e-9f0a-3f1f4d2c1b0a"
    claims = {"iss": "openshell-gateway:x", "aud": "openshell-gateway:x", "sub": f"spiffe://openshell/sandbox/{sandbox}",
              "jti": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "sandbox_id": sandbox, "iat": now, "exp": now + 3600}
    return f"{part({'alg': 'EdDSA', 'typ': 'JWT', 'kid': 'x'})}.{part(claims)}.{'A' * 86}"


class GatewayMode:
    """One sandbox of a gateway.  The token lies in a folder of its own, which the supervisor covers."""

    def __init__(self, world, gateway: Gateway, name, server, provider_options=()):
        self.world, self.gateway, self.name, self.server = world, gateway, name, server
        machine = world.machine
        address = machine.network().there
        self.folder = machine.folder(f"sandbox-{name}", 0o700)
        self.token_file = os.path.join(self.folder, "sandbox.jwt")
        policy_file = machine.write(f"{name}.yaml", policy([endpoint(server.name, server.port, address, **SIGNING)]), 0o644)
        keys = machine.write(f"secrets/{name}.toml", "[default]\naws_access_key_id = "
                             f"{Keys.access}\naws_secret_access_key = {Keys.secret}\n")
        self.must("provider", "create", "aws", f"keys-{name}", "--from-file", keys, "--bind", f"{server.name}:{server.port}",
                  *provider_options)
        created = self.must("sandbox", "create", name, "--policy", policy_file, "--provider", f"keys-{name}", "--token-out", self.token_file)
        self.sandbox_id = created.split()[0]
        self.audit = os.path.join(machine.folder(f"audit-{name}", 0o700), "audit.jsonl")
        self.options = ["--host-alias", f"{server.name}={address}", "--upstream-ca", world.pki.ca, "--audit-log", self.audit]
        self.environment = {**ENVIRONMENT, "OPENSHELL_ENDPOINT": gateway.endpoint,
                            "OPENSHELL_TLS_CA": os.path.join(gateway.tls, "ca.crt"),
                            "OPENSHELL_SANDBOX_TOKEN_FILE": self.token_file}

    def must(self, *arguments):
        done = self.gateway.operator(*arguments)
        if done.returncode:
            raise RuntimeError(f"gateway {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def command(self, *program, options=()):
        return [SUPERVISOR, "run", *self.options, "--env", "AWS_DEFAULT_REGION=us-east-1", *options, "--", *program]

    def run(self, *program, options=(), env=None, timeout=120):
        return subprocess.run(self.command(*program, options=options), capture_output=True, text=True, timeout=timeout,
                              env={**self.environment, **(env or {})}, stdin=subprocess.DEVNULL)

    def python(self, script, *arguments, **options):
        return self.run("/usr/bin/python3", "-c", script, *arguments, **options)

    def start(self, *program, options=()):
        """A running sandbox with pipes: `send` and `line` talk to its program."""
        process = subprocess.Popen(self.command(*program, options=options), env=self.environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
        self.world.machine.processes.append(process)
        return process

    def debug_rpc(self, *arguments, env=None):
        return subprocess.run([SUPERVISOR, "debug-rpc", *arguments], capture_output=True, text=True, timeout=60,
                              env={**self.environment, **(env or {})})

    def audit_events(self):
        with open(self.audit, encoding="utf-8") as file:
            return [json.loads(line) for line in file]
