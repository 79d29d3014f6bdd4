"""Uploads in chunks that somebody has changed on the way: each byte of head and framing, each chunk and trailer. None is ever stored."""
import json
import os
import shutil

from e2e.suite import Case
from e2e.support import tampering
from e2e.support.chunk_client import SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER, ChunkClient
from e2e.support.machine import ROOT
from e2e.support.programs import RAW, REGION_ENV
from e2e.support.sigv4_proxy import Proxy, raw

BUCKET = "tampering"
SMALL = [8192, 9000, 12]  # all of it is there before anything is sent on
LARGE = [327680, 327680, 12]  # leaves in pieces, while it arrives


class Tampering(Case):
    maxDiff = 4000

    def setUp(self):
        shutil.rmtree(os.path.join(self.world.judge.data, BUCKET), ignore_errors=True)
        self.world.judge.make_bucket(BUCKET)

    def stored(self):
        folder = os.path.join(self.world.judge.data, BUCKET)
        return sorted(os.path.relpath(os.path.join(path, name), folder) for path, _, names in os.walk(folder) for name in names)

    def judged(self, result, key, at_least):
        """Everything was refused but the upload that nobody has changed."""
        self.assertEqual(result["wrong"], [])
        self.assertGreaterEqual(result["refused"], at_least)
        self.assertEqual(tuple(result["control"]), (200, ""))
        self.assertEqual(self.stored(), [key])
        os.remove(os.path.join(self.world.judge.data, BUCKET, key))


class ProxyTest(Tampering):
    """Through `sigv4-proxy --verify-chunks`, which knows the client's key."""

    def setUp(self):
        super().setUp()
        judge = self.world.judge
        keys = self.world.machine.write("tampering.toml", '[clients.AKIACLIENT]\nsecret_access_key = "client-secret"\n')
        self.proxy = Proxy(self.world.machine, f"http://{judge.plain_name}:{judge.plain_port}", "--host-alias",
                           f"{judge.plain_name}={self.world.machine.network().there}", "--verify-chunks", keys).wait_ready()

    def tearDown(self):
        self.proxy.stop()

    def attack(self, mode, sizes, plan, at_least):
        chunks = [letter * size for letter, size in zip((b"a", b"b", b"c"), sizes)]
        result = tampering.run(ChunkClient("AKIACLIENT", "client-secret"), (f"/{BUCKET}/{mode}", chunks, mode), plan,
                               lambda request: raw(self.proxy.port, request, finish=True))
        self.judged(result, mode, at_least)
        self.assertIsNone(self.proxy.process.poll())

    def test_proxy_small(self):
        for mode, at_least in ((SIGNED, 800), (SIGNED_TRAILER, 1000), (UNSIGNED_TRAILER, 560)):
            self.attack(mode, SMALL, tampering.Plan(), at_least)

    def test_proxy_large(self):
        for mode, at_least in ((SIGNED, 60), (SIGNED_TRAILER, 80), (UNSIGNED_TRAILER, 50)):
            self.attack(mode, LARGE, tampering.Plan(head=None, framing=tampering.ENDS), at_least)


class SandboxTest(Tampering):
    """Through the sandbox's proxy: the client is inside and has the placeholder."""
    PROGRAM = RAW + """
from e2e.support import tampering
from e2e.support.chunk_client import ChunkClient
host, port, path, mode, sizes, head, framing = json.loads(sys.argv[1])
chunks = [letter * size for letter, size in zip((b"a", b"b", b"c"), sizes)]
def send(request):
    connection = secure(tunnel(host, port)[0], host)
    answer = b""
    try:
        connection.sendall(request)
    except OSError:  # it was refused meanwhile
        pass
    try:
        while got := connection.recv(65536):
            answer += got
    except OSError:
        pass
    return answer
# The end of the head is left whole: without one the proxy would wait for it, as it should.
plan = tampering.Plan(head, all if framing == "all" else framing, skip=(*tampering.UNCHANGED, "end of the head"))
print(json.dumps(tampering.run(ChunkClient(ACCESS, SECRET, host=f"{host}:{port}"), (path, chunks, mode), plan, send)))
"""

    def attack(self, mode, sizes, plan, at_least):
        judge = self.world.judge
        here = self.world.machine.share(os.path.join(ROOT, "tests/e2e"), "tests/e2e")
        done = self.world.local_for(judge, label="tampering").python(
            self.PROGRAM, json.dumps([judge.name, judge.port, f"/{BUCKET}/{mode}", mode, sizes, *plan]),
            options=[*REGION_ENV, "--env", f"PYTHONPATH={os.path.dirname(here)}"], timeout=400)
        self.judged(json.loads(self.ended_well(done)), mode, at_least)

    def test_sandbox_small(self):
        # Where chunks are not signed the head is the sandbox's own word, and signed anew whatever it says.
        for mode, head, at_least in ((SIGNED, tampering.ENDS, 380), (SIGNED_TRAILER, tampering.ENDS, 500), (UNSIGNED_TRAILER, None, 70)):
            self.attack(mode, SMALL, (head, "all"), at_least)

    def test_sandbox_large(self):
        for mode, at_least in ((SIGNED, 60), (SIGNED_TRAILER, 80), (UNSIGNED_TRAILER, 50)):
            self.attack(mode, LARGE, (None, tampering.ENDS), at_least)
