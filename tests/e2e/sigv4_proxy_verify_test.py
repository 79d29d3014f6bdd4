"""sigv4-proxy as the verifier at the edge: signed chunks of known clients are verified while they stream, and signed anew."""
import os
import re

from e2e.suite import Case
from e2e.support.chunk_client import ECDSA, ECDSA_TRAILER, EMPTY, SIGNED, SIGNED_TRAILER, ChunkClient, EcdsaChunkClient, derived_key
from e2e.support.s3_servers import REGION
from e2e.support.sigv4_proxy import Proxy, raw
from e2e.support.world import BUCKET


class VerifyTest(Case):
    """--verify-chunks: what known clients have signed, and nothing else, is signed."""
    def setUp(self):
        self.client = ChunkClient("AKIACLIENT", "client-secret")
        derived = ChunkClient("AKIADERIVED", "kept-elsewhere")
        key = derived_key("kept-elsewhere", derived.scope).hex()
        self.owner = EcdsaChunkClient("AKIAPUBLIC")
        path = self.world.machine.write("clients.toml", f"""
[clients.AKIACLIENT]
secret_access_key = "client-secret"
[[clients.AKIADERIVED.derived]]
date = "{derived.stamp[:8]}"
region = "{REGION}"
service = "s3"
key = "{key}"
[clients.AKIAPUBLIC]
public_key = '''{self.owner.public_pem()}'''
""")
        judge = self.world.judge
        self.proxy = Proxy(self.world.machine, f"http://{judge.plain_name}:{judge.plain_port}", "--host-alias",
                           f"{judge.plain_name}={self.world.machine.network().there}", "--verify-chunks", path).wait_ready()

    def tearDown(self):
        self.proxy.stop()

    def send(self, request):
        answer = raw(self.proxy.port, bytes(request))
        code = re.search(rb"<Code>(\w+)</Code>", answer)
        return answer[9:12].decode(), code.group(1).decode() if code else ""

    def stored(self, key):
        return self.world.judge.stored(BUCKET, key)

    def test_chunks_are_verified_and_signed_anew(self):
        chunks = [b"a" * 65536, b"b" * 65536, b"c" * 1000]
        for mode in (SIGNED, SIGNED_TRAILER):
            with self.subTest(mode):
                self.assertEqual(self.send(self.client.upload(f"/{BUCKET}/{mode}", chunks, mode)), ("200", ""))
                self.assertEqual(self.stored(mode), b"".join(chunks))
        large = [os.urandom(1 << 20), os.urandom(1 << 20), b"end"]
        self.assertEqual(self.send(self.client.upload(f"/{BUCKET}/chunks-large", large)), ("200", ""))
        self.assertEqual(self.stored("chunks-large"), b"".join(large))

    def test_keys_of_a_single_day(self):
        client = ChunkClient("AKIADERIVED", "kept-elsewhere")
        self.assertEqual(self.send(client.upload(f"/{BUCKET}/derived", [b"d" * 9000])), ("200", ""))
        self.assertEqual(self.stored("derived"), b"d" * 9000)

    def test_the_public_key_alone(self):
        chunks = [b"a" * 65536, b"b" * 65536, b"c" * 1000]
        stranger = EcdsaChunkClient("AKIAPUBLIC")  # another pair under the same name
        for mode in (ECDSA, ECDSA_TRAILER):
            with self.subTest(mode):
                self.assertEqual(self.send(self.owner.upload(f"/{BUCKET}/{mode}", chunks, mode)), ("200", ""))
                self.assertEqual(self.stored(mode), b"".join(chunks))
                upload = self.owner.upload(f"/{BUCKET}/{mode}-changed", chunks, mode)
                kind, data = upload.groups[1][4]
                self.assertEqual(kind, "data")
                upload.groups[1][4] = (kind, b"B" + data[1:])
                self.assertEqual(self.send(upload), ("403", "SignatureDoesNotMatch"))
                self.assertEqual(self.send(stranger.upload(f"/{BUCKET}/{mode}-changed", chunks, mode)), ("403", "SignatureDoesNotMatch"))
                self.assertIn("NoSuchKey", self.send(self.owner.head("GET", f"/{BUCKET}/{mode}-changed", EMPTY, {})))
        self.assertEqual(self.send(ChunkClient("AKIAPUBLIC", "guessed").upload(f"/{BUCKET}/x", chunks))[0], "503")  # it has no other keys

    def test_other_requests_are_verified_too(self):
        head = self.client.head("GET", f"/{BUCKET}/derived-not-there", EMPTY, {})
        self.assertEqual(self.send(head), ("404", "NoSuchKey"))
        self.assertEqual(self.send(f"GET /{BUCKET}/x HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n".encode()), ("403", "AccessDenied"))
        self.assertEqual(self.send(head.replace(b"derived-not", b"another-not")), ("403", "SignatureDoesNotMatch"))
        self.assertEqual(self.send(ChunkClient("AKIACLIENT", "wrong").head("GET", "/x", EMPTY, {})), ("403", "SignatureDoesNotMatch"))
        self.assertEqual(self.send(ChunkClient("AKIAOTHER", "client-secret").head("GET", "/x", EMPTY, {})), ("403", "InvalidAccessKeyId"))
        late = ChunkClient("AKIACLIENT", "client-secret", skew=-1200)
        self.assertEqual(self.send(late.head("GET", "/x", EMPTY, {})), ("403", "RequestTimeTooSkewed"))
