"""sigv4-proxy as the verifier at the edge: signed chunks of known clients are verified while they stream, and signed anew."""
import os
import re

from e2e.suite import Case
from e2e.support.chunk_client import EMPTY, ChunkClient, derived_key
from e2e.support.s3_servers import REGION
from e2e.support.sigv4_proxy import Proxy, raw
from e2e.support.world import BUCKET


class VerifyTest(Case):
    """--verify-chunks: what known clients have signed, and nothing else, is signed."""
    def setUp(self):
        self.client = ChunkClient("AKIACLIENT", "client-secret")
        derived = ChunkClient("AKIADERIVED", "kept-elsewhere")
        key = derived_key("kept-elsewhere", derived.scope).hex()
        path = self.world.machine.write("clients.toml", f"""
[clients.AKIACLIENT]
secret_access_key = "client-secret"
[[clients.AKIADERIVED.derived]]
date = "{derived.stamp[:8]}"
region = "{REGION}"
service = "s3"
key = "{key}"
""")
        judge = self.world.judge
        self.proxy = Proxy(self.world.machine, f"http://{judge.plain_name}:{judge.plain_port}", "--host-alias",
                           f"{judge.plain_name}={self.world.machine.network().there}", "--verify-chunks", path).wait_ready()

    def tearDown(self):
        self.proxy.stop()

    def send(self, request):
        answer = raw(self.proxy.port, request)
        code = re.search(rb"<Code>(\w+)</Code>", answer)
        return answer[9:12].decode(), code.group(1).decode() if code else ""

    def stored(self, key):
        return self.world.judge.stored(BUCKET, key)

    def test_chunks_are_verified_and_signed_anew(self):
        chunks = [b"a" * 65536, b"b" * 65536, b"c" * 1000]
        for trailer in (False, True):
            with self.subTest(trailer=trailer):
                self.assertEqual(self.send(self.client.put(f"/{BUCKET}/chunks-{trailer}", chunks, trailer)), ("200", ""))
                self.assertEqual(self.stored(f"chunks-{trailer}"), b"".join(chunks))
        large = [os.urandom(1 << 20), os.urandom(1 << 20), b"end"]
        self.assertEqual(self.send(self.client.put(f"/{BUCKET}/chunks-large", large)), ("200", ""))
        self.assertEqual(self.stored("chunks-large"), b"".join(large))

    def test_keys_of_a_single_day(self):
        client = ChunkClient("AKIADERIVED", "kept-elsewhere")
        self.assertEqual(self.send(client.put(f"/{BUCKET}/derived", [b"d" * 9000])), ("200", ""))
        self.assertEqual(self.stored("derived"), b"d" * 9000)

    def test_other_requests_are_verified_too(self):
        head, _ = self.client.head("GET", f"/{BUCKET}/derived-not-there", EMPTY, {})
        self.assertEqual(self.send(head), ("404", "NoSuchKey"))
        self.assertEqual(self.send(f"GET /{BUCKET}/x HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n".encode()), ("403", "AccessDenied"))
        self.assertEqual(self.send(head.replace(b"derived-not", b"another-not")), ("403", "SignatureDoesNotMatch"))
        self.assertEqual(self.send(ChunkClient("AKIACLIENT", "wrong").head("GET", "/x", EMPTY, {})[0]), ("403", "SignatureDoesNotMatch"))
        self.assertEqual(self.send(ChunkClient("AKIAOTHER", "client-secret").head("GET", "/x", EMPTY, {})[0]), ("403", "InvalidAccessKeyId"))
        late = ChunkClient("AKIACLIENT", "client-secret", skew=-1200)
        self.assertEqual(self.send(late.head("GET", "/x", EMPTY, {})[0]), ("403", "RequestTimeTooSkewed"))

    def test_what_is_not_signed_never_arrives(self):
        chunks = [b"a" * 65536, b"b" * 65536]
        good = self.client.put(f"/{BUCKET}/tampered", chunks, trailer=True)
        first, last = good.index(b";chunk-signature=") + 17, good.rindex(b";chunk-signature=") + 17
        checksum, signature = good.index(b"x-amz-checksum-crc32:") + 21, good.index(b"x-amz-trailer-signature:") + 24

        def flipped(at):
            other = b"0" if good[at:at + 1] != b"0" else b"1"
            return good[:at] + other + good[at + 1:]

        cases = {"first chunk's signature": (flipped(first), "SignatureDoesNotMatch"),
                 "data of the first chunk": (flipped(first + 100), "SignatureDoesNotMatch"),
                 "data of the last chunk": (flipped(last - 100), "SignatureDoesNotMatch"),
                 "signature of the end": (flipped(last), "SignatureDoesNotMatch"),
                 "checksum": (flipped(checksum), "BadDigest"),
                 "signature of the trailer": (flipped(signature), "SignatureDoesNotMatch"),
                 "a size that lies": (flipped(first - 18), "IncompleteBody")}
        for name, (request, code) in cases.items():
            with self.subTest(name):
                status, got = self.send(request)
                self.assertIn(status, ("400", "403"))
                self.assertEqual(got, code)
                self.assertTrue(self.stored("tampered") is None, "it was stored")
        cut = good[:last - 17 - 1]
        self.assertEqual(raw(self.proxy.port, cut, finish=True)[9:12], b"400")
        self.assertTrue(self.stored("tampered") is None, "it was stored")
