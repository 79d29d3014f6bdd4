"""Token grants with everything real: the issuer and the services of examples/spiffe-token-grant, an agent, a gateway of its own with a
profile, and sandboxes whose program asks the services over kept connections."""
import contextlib
import json
import os
import subprocess
import sys
import time

from e2e.support.keyward import ENVIRONMENT, SUPERVISOR, Gateway, endpoint, policy
from e2e.support.machine import ROOT, wait_until
from e2e.support.spiffe import DOMAIN, ID, Agent

EXAMPLE = os.path.join(ROOT, "examples/spiffe-token-grant")
sys.path.append(EXAMPLE)
from tokens import SigningKey  # noqa: E402 - the example's own
GRANT_ISSUER = os.path.join(ROOT, "tests/e2e/support/grant_issuer.py")
LOGIN, ALPHA, BETA = ("login.grants.keyward.test", 8450), ("alpha.grants.keyward.test", 8451), ("beta.grants.keyward.test", 8452)
ISSUER = f"https://{LOGIN[0]}:{LOGIN[1]}"
ASSERTION = {"jwtSvidAudience": ISSUER, "clientAssertionType": "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"}
USER = "59301"
# One request per line of standard input, one connection per place.  A connection that has ended is an error, and not opened again
# behind the test's back; `local` tells one connection from another.
CLIENT = """
import http.client, json, os, ssl, sys
from urllib.parse import urlsplit
proxy, kept = urlsplit(os.environ["HTTPS_PROXY"]), {}
def connection(place):
    if place not in kept:
        made = http.client.HTTPSConnection(proxy.hostname, proxy.port, timeout=60, context=ssl.create_default_context())
        made.set_tunnel(*place)
        made.connect()
        made.auto_open = 0
        kept[place] = made
    return kept[place]
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    place = tuple(order["place"])
    try:
        made = connection(place)
        local = made.sock.getsockname()[1]
        body = order["body"].encode()
        made.putrequest(order["method"], "/")
        for name, value in order["headers"] + ([["content-length", str(len(body))]] if body else []):
            made.putheader(name, value)
        made.endheaders(body or None)
        answer = made.getresponse()
        said = {"status": answer.status, "type": answer.headers.get_content_type(), "local": local, "body": json.loads(answer.read())}
        if made.sock is None:
            del kept[place]  # it was said to be over
    except (OSError, ValueError, http.client.HTTPException) as error:
        kept.pop(place, None)
        said = {"status": 0, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)
"""


class Server:
    """issuer.py or service.py of the example, in the servers' namespace; `seen()` gives what it has logged since the last time."""

    def __init__(self, machine, pki_files, program, label, place, **settings):
        self.machine, self.program, self.label, self.port = machine, program, label, place[1]
        self.log, self.process = machine.log(self.label), None
        certificate, key = pki_files
        self.settings = machine.write(f"secrets/{self.label}.json", json.dumps(
            {"address": machine.network().there, "port": self.port, "certificate": certificate, "key": key, **settings}))
        self.read = os.path.getsize(self.log) if os.path.exists(self.log) else 0

    def start(self):
        self.process = self.machine.start(self.label, ["/usr/bin/python3", os.path.join(EXAMPLE, self.program), self.settings], inside=True)
        wait_until(lambda: self.machine.network().listens(self.port), 20, self.label)
        return self

    def stop(self):
        self.machine.stop(self.process)

    def restart(self):
        self.stop()
        self.start()

    def seen(self):
        with open(self.log, "rb") as log:
            log.seek(self.read)
            whole = log.read().rpartition(b"\n")[0]
        self.read += len(whole) + 1 if whole else 0
        return [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]


class Place:
    """Everything that sandboxes with grants have in common."""
    provider_type, label, hosts = "services", "grants", (LOGIN[0], ALPHA[0], BETA[0])
    lifetime, service = 300, "service.py"

    def __init__(self, world, port=17676):
        machine = self.machine = world.machine
        self.pki, self.address = world.pki, machine.network().there
        files = world.pki.issue(LOGIN[0], ALPHA[0], BETA[0])
        self.agent = Agent(machine, f"{self.label}-agent")
        self.keys, self.bundle, self.record, self.clients, users, self.cluster = (
            os.path.join(machine.secrets, f"{self.label}-{name}") for name in ("keys", "bundle", "record", "clients", "users", "cluster"))
        self.users = SigningKey("of-users")
        self.users.publish(users)
        self.refresh_bundle()
        self.issuer = Server(machine, files, GRANT_ISSUER, f"{self.label}-issuer", LOGIN, issuer=ISSUER, bundle=self.bundle, trust_domain=DOMAIN,
                             published=self.keys, clients=self.clients, users=users, cluster=self.cluster, record=self.record, lifetime=self.lifetime,
                             services={"alpha": ["read"], "beta": ["orders:read", "orders:write"]}).start()
        self.alpha, self.beta = (
            Server(machine, files, self.service, f"{self.label}-{name}", place, name=name, issuer=ISSUER, keys=self.keys, scopes=scopes).start()
            for name, place, scopes in (("alpha", ALPHA, {"GET": "read", "POST": "write"}), ("beta", BETA, {"GET": "orders:read", "POST": "orders:write"})))
        self.gateway = Gateway(machine, f"{self.label}-gateway", port).start()
        self.import_profile()
        self.policy = machine.write(f"{self.label}-policy.yaml", policy(
            [endpoint(host, number, self.address, protocol="rest", access="full") for host, number in (ALPHA, BETA)]), 0o644)

    def must(self, *arguments):
        done = self.gateway.operator(*arguments)
        if done.returncode:
            raise RuntimeError(f"gateway {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def import_profile(self, beta_scopes=("orders:read", "orders:write"), name="services", user=None, **grant):
        """`user`: the variable of a credential `user` beside the grant."""
        made = profile(name, list(beta_scopes), grant or ASSERTION)
        if user:
            made["credentials"].append({"name": "user", "envVars": [user]})
        text = json.dumps(made)
        self.must("profile", "import", self.machine.write(f"{self.label}-profile.json", text, 0o644))

    def refresh_bundle(self):
        self.machine.write(self.bundle, json.dumps(self.agent.say(do="bundle")["keys"]))
        self.machine.write(self.clients, self.agent.say(do="x509-bundle", domain=DOMAIN)["pem"])

    def servers(self):
        return self.issuer, self.alpha, self.beta

    def recorded(self):
        """[(`proof` or an audience, what the issuer was given or gave)], oldest first."""
        if not os.path.exists(self.record):
            return []
        with open(self.record, encoding="utf-8") as file:
            return [tuple(line.split()) for line in file]


def profile(name, beta_scopes, proof):
    endpoints = [{"host": host, "port": port, "protocol": "rest", "access": "full"} for host, port in (ALPHA, BETA)]
    grant = {"tokenEndpoint": ISSUER + "/token", **proof, "audience": "alpha", "scopes": ["read"],
             "audienceOverrides": [{"host": BETA[0], "audience": "beta", "scopes": beta_scopes}]}
    return {"id": name, "endpoints": endpoints, "credentials": [{"name": "token", "tokenGrant": grant}]}


class GrantSandbox:
    """One sandbox of the place, with a provider of its own."""
    user = USER

    def __init__(self, place, name, profile_name=None, *credentials):
        machine = place.machine
        self.place, self.name, self.provider, self.process = place, name, f"{place.provider_type}-{name}", None
        folder = machine.folder(f"{place.label}-{name}", 0o700)
        place.must("provider", "create", profile_name or place.provider_type, self.provider, *credentials)
        token = os.path.join(folder, "sandbox.jwt")
        place.must("sandbox", "create", name, "--policy", place.policy, "--provider", self.provider, "--token-out", token)
        self.audit, self.log = os.path.join(machine.folder(f"{place.label}-audit-{name}", 0o700), "audit.jsonl"), machine.log(f"{place.label}-{name}")
        self.options = ["--user", f"{self.user}:{self.user}", "--upstream-ca", place.pki.ca, "--audit-log", self.audit, "--hide", place.bundle]
        for host in place.hosts:
            self.options += ["--host-alias", f"{host}={place.address}"]
        self.grants = ["--grant-range", place.address + "/32", "--spiffe-id", ID]
        self.environment = {
            **ENVIRONMENT, "OPENSHELL_ENDPOINT": place.gateway.endpoint, "OPENSHELL_TLS_CA": os.path.join(place.gateway.tls, "ca.crt"),
            "OPENSHELL_SANDBOX_TOKEN_FILE": token, "OPENSHELL_POLICY_POLL_INTERVAL_SECS": "1", "OPENSHELL_LOG_LEVEL": "debug",
            "KEYWARD_CONTROL_SOCKET": os.path.join(folder, "control.sock"),
            "OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET": place.agent.path}

    def command(self, *program):
        return [SUPERVISOR, "run", *self.options, *self.grants, "--", *program]

    def run(self, *program, timeout=60):
        return subprocess.run(self.command(*program), capture_output=True, text=True, timeout=timeout, env=self.environment, stdin=subprocess.DEVNULL)

    def start(self, *program):
        """With pipes; it is ready when it says so in a line.  Its log goes to a file."""
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command(*program), env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                            text=True, bufsize=1, start_new_session=True)
        self.place.machine.processes.append(self.process)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the program did not start; see {self.log}")
        return self

    def client(self):
        return self.start("/usr/bin/python3", "-uc", CLIENT)

    def ask(self, place, method="GET", headers=(), body=""):
        self.process.stdin.write(json.dumps({"place": place, "method": method, "headers": list(headers), "body": body}) + "\n")
        return json.loads(self.process.stdout.readline() or '{"status": -1}')

    def ask_until(self, status, place, seconds=30):
        """Asks again until it is answered so: tokens and grants come and go at their own time."""
        return self.ask_until_it_says(lambda answer: answer["status"] == status, place, seconds)

    def ask_until_it_says(self, wanted, place, seconds=30):
        answers = [self.ask(place)]
        end = time.monotonic() + seconds
        while not wanted(answers[-1]):
            if time.monotonic() > end:
                raise TimeoutError(f"{place}: at last {answers[-1]}; see {self.log}")
            time.sleep(0.1)
            answers.append(self.ask(place))
        return answers

    def events(self, name):
        """What the supervisor has logged under that name; the program's own words are in between."""
        with open(self.log, encoding="utf-8") as log:
            lines = [json.loads(line) for line in log if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def stop(self):
        if self.process is not None:
            self.place.machine.stop(self.process)
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.stdout.close()
