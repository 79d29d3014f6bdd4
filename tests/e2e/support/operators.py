"""One gateway of ours whose development user may do everything, asked by grpc-js with a contract of its own."""
import base64
import functools
import json
import os

from e2e.suite import Case
from e2e.support.keyward import Gateway
from e2e.support.talker import operator_of

OK, INVALID, NOT_FOUND, EXISTS, DENIED, PRECONDITION, ABORTED = 0, 3, 5, 6, 7, 9, 10
UNIMPLEMENTED, UNAVAILABLE, UNAUTHENTICATED = 12, 14, 16
PORT = 17850
NOBODY = "11111111-1111-4111-8111-111111111111"
SECRET = "canary-Wm3Nq8vT5z"
PROFILE = "interop-store"
STORE = "store.keyward.test"


@functools.lru_cache
def shared(world):
    """(gateway, its user), started once."""
    gateway = Gateway(world.machine, "operators", PORT, ["--allow-unauthenticated-users", "--failures-per-second", "0",
                                                         "--calls-per-second", "1000"]).start()
    return gateway, operator_of(world.machine, "operators-user", PORT, os.path.join(gateway.tls, "ca.crt"))


def rule(*hosts, port=443, **more):
    return {"name": hosts[0], "endpoints": [{"host": host, "port": port, **more} for host in hosts]}


def policy(**rules):
    return {"version": 1, "network_policies": rules}


def encoded(data):
    return base64.b64encode(data).decode()


class OperatorsCase(Case):
    def setUp(self):
        self.gateway, self.user = shared(self.world)
        probe = self.user.say(call="ListSandboxes", request={})
        if probe["code"] == UNIMPLEMENTED:
            self.skipTest("this gateway does not serve users' RPCs")

    def ask(self, method, code=OK, token=None, **request):
        """The answer; or, where another code is expected, the status' text."""
        done = self.user.say(call=method, token=token, request=request)
        self.assertEqual(done["code"], code, f"{method} {json.dumps(request)[:300]}: {done['text']}")
        return done["answer"] if code == OK else done["text"]

    def outcome(self, method, token=None, **request):
        done = self.user.say(call=method, token=token, request=request)
        return done["code"], done["text"]

    def sandbox(self, name, **spec):
        """The record of a new sandbox, which is gone after the test."""
        record = self.ask("CreateSandbox", name=name, spec=spec)["sandbox"]
        self.addCleanup(self.user.say, call="DeleteSandbox", request={"name": name})
        return record

    def token(self, name):
        path = os.path.join(self.gateway.folder, f"{name}.jwt")
        if os.path.exists(path):  # of an earlier case
            os.unlink(path)
        done = self.gateway.operator("sandbox", "token", name, "--out", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(path, encoding="utf-8") as file:
            return file.read().strip()

    def profile(self, name=PROFILE, **more):
        """A profile for static AWS keys that are bound to one host."""
        keys = [{"name": env.lower(), "env_vars": [env], "required": True} for env in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
        return {"id": name, "display_name": name, "category": "PROVIDER_PROFILE_CATEGORY_DATA", "credentials": keys,
                "endpoints": [{"host": STORE, "port": 443, "protocol": "rest", "access": "full"}], **more}

    def imported(self, profile):
        done = self.ask("ImportProviderProfiles", profiles=[{"profile": profile, "source": "interop.yaml"}])
        self.assertTrue(done["imported"], done["diagnostics"])
        self.addCleanup(self.user.say, call="DeleteProviderProfile", request={"id": profile["id"]})
        return done["profiles"][0]

    def provider(self, name, kind=PROFILE, **credentials):
        keys = credentials or {"AWS_ACCESS_KEY_ID": "AKIAINTEROP", "AWS_SECRET_ACCESS_KEY": SECRET}
        answer = self.ask("CreateProvider", provider={"metadata": {"name": name}, "type": kind, "credentials": keys})
        self.addCleanup(self.user.say, call="DeleteProvider", request={"name": name})
        return answer["provider"]

    def stream(self, name, method, token=None, **request):
        self.user.say(open=name, call=method, token=token, request=request)
        self.addCleanup(self.user.say, cancel=name)
        return Stream(self, name)


class Stream:
    def __init__(self, case, name):
        self.case, self.user, self.name = case, case.user, name

    def send(self, **message):
        self.user.say(send=self.name, message=message)

    def read(self, milliseconds=15000):
        """The next message; a test that fails where the stream ends or is silent."""
        said = self.user.say(read=self.name, milliseconds=milliseconds)
        self.case.assertIn("message", said, f"{self.name}: {said}")
        return said["message"]

    def read_until(self, accept, limit=200):
        for _ in range(limit):
            if accept(message := self.read()):
                return message
        raise AssertionError(f"{self.name}: not among {limit} messages")

    def end(self, limit=50):
        """(code, text) of the stream's end; messages before it are passed over."""
        for _ in range(limit):
            said = self.user.say(read=self.name, milliseconds=15000)
            if "code" in said:
                return said["code"], said["text"]
            self.case.assertNotIn("waiting", said, f"{self.name} goes on")
        raise AssertionError(f"{self.name} does not end")

    def finish(self):
        self.user.say(finish=self.name)

    def cancel(self):
        self.user.say(cancel=self.name)
