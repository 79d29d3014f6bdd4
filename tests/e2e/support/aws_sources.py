"""Sources of AWS keys of the standard chain: an STS with a store of its own, the services beside a workload, shared files, and sandboxes whose
supervisor is told of them."""
import contextlib
import json
import os
import re
import secrets
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse

from e2e.support.keyward import ENVIRONMENT, SIGNING, SUPERVISOR, Local, endpoint
from e2e.support.machine import ip, wait_until
from e2e.support.programs import Puts
from e2e.support.s3_servers import REGION, SeaweedSts
from e2e.support.sts_grants import AUDIENCE
from e2e.support.token_grants import EXAMPLE, Server

sys.path.insert(0, EXAMPLE)
import tokens  # noqa: E402

STS, STORE_PLACE = ("sts.sources.keyward.test", 8470), ("store.sources.keyward.test", 8472)
STORE_URL = f"https://{STORE_PLACE[0]}:{STORE_PLACE[1]}/demo/"
POD, OUTSIDE = "system:serviceaccount:default:pod", "agreed:with/them"
STORE_ROLE, FIRST_ROLE = (f"arn:aws:iam::123456789012:role/{name}" for name in ("kept", "first"))
KEYS_PORT, METADATA_PORT = 8471, 8475
HERE = os.path.dirname(os.path.abspath(__file__))


class Sources:
    """SeaweedFS, its own STS, takes the keys of all of them: those that it gave; the store those of the other STS, and looks at their end."""

    def __init__(self, world):
        machine = self.machine = world.machine
        self.world, self.address = world, machine.network().there
        self.folder = machine.folder("aws-sources", 0o700)
        self.mood_file, self.bundle, self.record, self.metadata_mood, self.pod_token, self.authorization_file = (
            os.path.join(self.folder, name) for name in ("mood", "bundle", "record", "metadata-mood", "pod-token", "authorization"))
        self.authorization = "Pod-" + secrets.token_urlsafe(30)
        key, issuer = tokens.SigningKey("cluster"), f"http://{self.address}:{KEYS_PORT}"
        key.publish(self.bundle)
        now = int(time.time())
        self.jwt = key.sign({"iss": issuer, "sub": POD, "aud": AUDIENCE, "iat": now, "exp": now + 3600})
        machine.write(self.pod_token, self.jwt)
        machine.write(self.authorization_file, self.authorization)
        self.mood()
        self.metadata()
        self.sts = Server(machine, world.pki.issue(STS[0], STORE_PLACE[0]), os.path.join(HERE, "sts_server.py"), "sources-sts", STS, store_port=STORE_PLACE[1],
                          bundle=self.bundle, audience=AUDIENCE, store=STORE_ROLE, mood=self.mood_file, record=self.record,
                          roles={FIRST_ROLE: {"subjects": [POD]},
                                 STORE_ROLE: {"subjects": [POD], "callers": [FIRST_ROLE], "external_id": OUTSIDE}}).start()
        published = machine.folder("sources-keys")
        key.publish(os.path.join(published, "keys.json"))
        machine.start("sources-keys", ["/usr/bin/python3", "-m", "http.server", str(KEYS_PORT), "--bind", self.address, "--directory", published], inside=True)
        wait_until(lambda: machine.network().listens(KEYS_PORT), 20, "the cluster's keys")
        self.weed = SeaweedSts(machine, world.pki, issuer, AUDIENCE, "weed-sources", 1)
        self.access, self.secret, self.session = self.weed_session()
        self.start_metadata("sources-metadata", ["127.0.0.1"], METADATA_PORT)
        wait_until(lambda: listens("127.0.0.1", METADATA_PORT), 20, "the metadata service")

    def start_metadata(self, label, addresses, port, prefix=()):
        settings = self.machine.write(f"secrets/{label}.json", json.dumps(
            {"addresses": addresses, "port": port, "keys": [self.access, self.secret], "authorization": self.authorization, "session": self.session, "mood": self.metadata_mood}))
        self.machine.start(label, [*prefix, "/usr/bin/python3", os.path.join(HERE, "metadata_server.py"), settings])

    def weed_session(self):
        """(key id, secret, session token): the same as what a machine or a pod would be given."""
        form = urllib.parse.urlencode({"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": self.weed.role, "RoleSessionName": "machine",
                                       "WebIdentityToken": self.jwt})
        context = ssl.create_default_context(cafile=self.world.pki.ca)
        with socket.create_connection((self.address, self.weed.port), 20) as raw, context.wrap_socket(raw, server_hostname=self.weed.name) as secured:
            secured.sendall(f"POST / HTTP/1.1\r\nHost: {self.weed.name}:{self.weed.port}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                            f"Content-Length: {len(form)}\r\nConnection: close\r\n\r\n{form}".encode())
            answer = b"".join(iter(lambda: secured.recv(65536), b"")).decode()
        return [re.search(f"<{name}>([^<]+)</{name}>", answer).group(1) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]

    def mood(self, **settings):
        self.machine.write(self.mood_file, json.dumps(settings))

    def metadata(self, **settings):
        self.machine.write(self.metadata_mood, json.dumps(settings))

    def shared_files(self, name, credentials="", config=""):
        """The variables that name them, in a folder of their own."""
        folder = self.machine.folder(f"aws-{name}", 0o700)
        return {"AWS_SHARED_CREDENTIALS_FILE": self.machine.write(os.path.join(folder, "credentials"), credentials),
                "AWS_CONFIG_FILE": self.machine.write(os.path.join(folder, "config"), config)}

    def web_identity(self, role, sts=STS):
        return {"AWS_WEB_IDENTITY_TOKEN_FILE": self.pod_token, "AWS_ROLE_ARN": role, "AWS_ENDPOINT_URL_STS": f"https://{sts[0]}:{sts[1]}", "AWS_REGION": REGION}

    def environments(self):
        """{source: the variables that configure it}, each for keys that SeaweedFS takes."""
        keys = f"aws_access_key_id = {self.access}\naws_secret_access_key = {self.secret}\naws_session_token = {self.session}\n"
        container = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{METADATA_PORT}/container/keys", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": self.authorization_file}
        return {"environment": {"AWS_ACCESS_KEY_ID": self.access, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_SESSION_TOKEN": self.session},
                "profile:work": self.shared_files("work", "[work]\n" + keys),
                "web-identity": self.web_identity(self.weed.role, (self.weed.name, self.weed.port)),
                "container": container,
                "imds": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{METADATA_PORT}"}}

    def secrets(self):
        """What no program may find."""
        return {"secret-key": self.secret, "access-key": self.access, "session": self.session, "pod-token": self.jwt.rpartition(".")[2], "authorization": self.authorization}


def listens(address, port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


class SourceSandbox(Puts):
    """Local mode; {provider: source}, all for SeaweedFS and the store."""

    def __init__(self, place, name, sources, environment, prefix=()):
        machine, weed = place.machine, place.weed
        self.place, self.name, self.process, self.prefix, self.log = place, name, None, list(prefix), machine.log("sources-" + name)
        self.environment = {**ENVIRONMENT, **environment}
        self.local = Local(machine, place.world.pki, names=[weed.name, STS[0], STORE_PLACE[0]], label="sources-" + name,
                           endpoints=[endpoint(host, port, place.address, **SIGNING) for host, port in ((weed.name, weed.port), STORE_PLACE)])
        self.options = self.local.options
        for provider, source in sources.items():
            self.options += ["--aws-credentials", f"{provider}={source}"]
            for host, port in ((weed.name, weed.port), STORE_PLACE):
                self.options += ["--aws-bind", f"{provider}={host}:{port}"]

    def command(self, *program, options=()):
        return [*self.prefix, SUPERVISOR, "run", *self.options, "--env", "AWS_DEFAULT_REGION=us-east-1", *options, "--", *program]

    def run(self, *program, options=(), timeout=120, text=None):
        return subprocess.run(self.command(*program, options=options), capture_output=True, text=True, timeout=timeout, env=self.environment, input=text or "")

    def start(self):
        """The PUTs, to the store."""
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command(*self.puts(STORE_URL)), env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                            text=True, bufsize=1, start_new_session=True)
        self.place.machine.processes.append(self.process)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the program did not start; see {self.log}")
        return self

    def events(self, name):
        with open(self.log, encoding="utf-8") as log:
            return [line for line in (json.loads(line) for line in log if line.startswith("{")) if line["event"] == name]

    def doctor(self):
        done = subprocess.run([*self.prefix, SUPERVISOR, "doctor", "--json", *self.options], capture_output=True, text=True, timeout=120, env=self.environment)
        return json.loads(done.stdout)

    def stop(self):
        if self.process is not None:
            self.place.machine.stop(self.process)
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.stdout.close()


class Instance:
    """A network namespace with the metadata services' own addresses on its loopback, and a way to the servers."""
    addresses = ("169.254.169.254", "169.254.170.2")

    def __init__(self, place):
        servers = place.machine.network()
        self.name, veth, far = f"kwi{os.getpid()}", f"kwia{os.getpid()}", f"kwib{os.getpid()}"
        base = servers.here.rsplit(".", 1)[0].replace("10.231.", "10.232.")
        first = int(servers.here.rsplit(".", 1)[1]) - 1
        here, there = (f"{base}.{first + n}" for n in (1, 2))
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "add", veth, "type", "veth", "peer", "name", far, "netns", servers.name)
        for namespace, link, address in ((self.name, veth, here), (servers.name, far, there)):
            ip("-n", namespace, "addr", "add", address + "/30", "dev", link)
            ip("-n", namespace, "link", "set", link, "up")
        ip("-n", self.name, "link", "set", "lo", "up")
        ip("-n", self.name, "route", "add", servers.there + "/32", "via", there)
        for address in self.addresses:
            ip("-n", self.name, "addr", "add", address + "/32", "dev", "lo")
        self.prefix = ["ip", "netns", "exec", self.name]
        place.start_metadata("sources-instance", list(self.addresses), 80, self.prefix)
        wait_until(lambda: subprocess.run([*self.prefix, "/usr/bin/python3", "-c", "import socket; socket.create_connection(('169.254.170.2', 80), 1)"],
                                          stderr=subprocess.DEVNULL).returncode == 0, 20, "the instance's metadata service")

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], stderr=subprocess.DEVNULL)
