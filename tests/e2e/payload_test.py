"""Every payload mode of SigV4, judged by versitygw; each test asserts which x-amz-content-sha256 arrived there."""
import hashlib

from e2e.suite import Case
from e2e.support import tools
from e2e.support.programs import BOTO3, RAW, REGION_ENV
from e2e.support.s3_servers import Keys
from e2e.support.world import BUCKET

ENDPOINT = "https://judge.keyward.test:7443"


class PayloadTest(Case):
    def setUp(self):
        self.judge = self.world.judge
        self.sandbox = self.world.local_for(self.judge, label="payload")

    def boto3(self, program, new=False):
        options = list(REGION_ENV)
        if new:
            options += ["--env", "PYTHONPATH=" + self.world.machine.share(tools.new_boto3(), "boto3")]
        return self.ended_well(self.sandbox.python(BOTO3 + program, ENDPOINT, BUCKET, options=options))

    def raw(self, program, check=True):
        done = self.sandbox.python(RAW + program, options=REGION_ENV)
        return self.ended_well(done) if check else done

    def arrived(self, key):
        requests = self.judge.requests("PUT", f"/{BUCKET}/{key}")
        self.assertTrue(requests, f"no PUT of {key} arrived")
        self.assertIn(f"Credential={Keys.access}/", requests[-1]["authorization"])
        return requests[-1]

    def test_hex_hash(self):
        body = b"hashed" * 50000
        self.raw("""
body = b"hashed" * 50000
digest = hashlib.sha256(body).hexdigest()
headers = sign("PUT", "judge.keyward.test:7443", "/demo/hex", "", digest, {"content-length": str(len(body))})
status, _, answer = request("judge.keyward.test", 7443, "PUT", "/demo/hex", headers, body)
assert status == 200, (status, answer)
""")
        self.assertEqual(self.arrived("hex")["x-amz-content-sha256"], hashlib.sha256(body).hexdigest())
        self.assertEqual(self.judge.stored(BUCKET, "hex"), body)

    def test_unsigned_payload(self):
        self.boto3("""
s3 = client(s3={"payload_signing_enabled": False})
s3.put_object(Bucket=bucket, Key="unsigned", Body=b"u" * 300000)
""")
        self.assertEqual(self.arrived("unsigned")["x-amz-content-sha256"], "UNSIGNED-PAYLOAD")
        self.assertEqual(self.judge.stored(BUCKET, "unsigned"), b"u" * 300000)

    def test_unsigned_trailer(self):
        self.boto3("""
s3.put_object(Bucket=bucket, Key="trailer", Body=b"t" * 3000000)
""", new=True)
        head = self.arrived("trailer")
        self.assertEqual(head["x-amz-content-sha256"], "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        self.assertIn("x-amz-trailer", head)
        self.assertEqual(self.judge.stored(BUCKET, "trailer"), b"t" * 3000000)

    def test_unsigned_trailer_of_a_file_with_expect_continue(self):
        self.boto3("""
with open("/tmp/file", "wb") as f:
    f.write(os.urandom(1 << 20) * 5)
with open("/tmp/file", "rb") as f:
    s3.put_object(Bucket=bucket, Key="trailer-file", Body=f)
with open("/tmp/file", "rb") as f:
    assert s3.get_object(Bucket=bucket, Key="trailer-file")["Body"].read() == f.read()
""", new=True)
        self.assertEqual(self.arrived("trailer-file")["x-amz-content-sha256"], "STREAMING-UNSIGNED-PAYLOAD-TRAILER")

    def test_new_boto3_multipart_64_mib(self):
        self.boto3("""
from boto3.s3.transfer import TransferConfig
data = os.urandom(1 << 20) * 64
s3.upload_fileobj(io.BytesIO(data), bucket, "big", Config=TransferConfig(multipart_chunksize=8 << 20))
assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == data
""", new=True)

    def test_wrong_body_hash_is_refused_and_nothing_is_stored(self):
        out = self.raw("""
for size in (10, 65536, 3000000):
    body = b"w" * size
    digest = hashlib.sha256(b"something else").hexdigest()
    headers = sign("PUT", "judge.keyward.test:7443", f"/demo/wrong-{size}", "", digest, {"content-length": str(size)})
    status, _, answer = request("judge.keyward.test", 7443, "PUT", f"/demo/wrong-{size}", headers, body)
    print(status)
""")
        self.assertEqual(out.split(), ["400", "400", "400"])
        for size in (10, 65536, 3000000):
            self.assertIsNone(self.judge.stored(BUCKET, f"wrong-{size}"))

    def test_wrong_trailing_checksum_is_refused_and_nothing_is_stored(self):
        out = self.raw("""
body = b"c" * 100000
extra = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(body)), "x-amz-trailer": "x-amz-checksum-crc32",
         "transfer-encoding": "chunked"}
headers = sign("PUT", "judge.keyward.test:7443", "/demo/bad-trailer", "", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", extra)
framed = b"%x\\r\\n" % len(body) + body + b"\\r\\n0\\r\\nx-amz-checksum-crc32:AAAAAA==\\r\\n\\r\\n"
status, _, answer = request("judge.keyward.test", 7443, "PUT", "/demo/bad-trailer", headers,
                            b"%x\\r\\n" % len(framed) + framed + b"\\r\\n0\\r\\n\\r\\n")
print(status)
""")
        self.assertEqual(out.strip(), "400")
        self.assertIsNone(self.judge.stored(BUCKET, "bad-trailer"))

    def test_modes_that_are_not_served_are_refused_with_the_reason(self):
        out = self.raw("""
for mode in ("STREAMING-AWS4-HMAC-SHA256-EVENTS", "nonsense"):
    headers = sign("PUT", "judge.keyward.test:7443", "/demo/refused", "", mode,
                   {"content-length": "5", "x-amz-decoded-content-length": "5"})
    headers["accept"] = "application/json"
    status, head, answer = request("judge.keyward.test", 7443, "PUT", "/demo/refused", headers, b"12345")
    print(status, head.get("content-type"), head.get("proxy-status", "-").split(";")[0])
    json.loads(answer)
""")
        for line in out.splitlines():
            self.assertRegex(line, r"^(400|403|422|501) application/problem\+json \S+")
        self.assertEqual(self.judge.requests("PUT", f"/{BUCKET}/refused"), [])

    def test_signed_chunks_are_verified_and_signed_anew(self):
        self.raw("""
def upload(key, spoil):
    body = b"s" * 200000
    headers = sign("PUT", "judge.keyward.test:7443", key, "", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
                   {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(body)), "transfer-encoding": "chunked"})
    scope = headers["authorization"].split("Credential=")[1].split(",")[0].split("/", 1)[1]
    previous = headers["authorization"].split("Signature=")[1]
    signing = ("AWS4" + SECRET).encode()
    for part in scope.split("/"):
        signing = hmac.new(signing, part.encode(), "sha256").digest()
    framed = b""
    for data in [body[at:at + 65536] for at in range(0, len(body), 65536)] + [b""]:
        text = "\\n".join(["AWS4-HMAC-SHA256-PAYLOAD", headers["x-amz-date"], scope, previous,
                          hashlib.sha256(b"").hexdigest(), hashlib.sha256(data).hexdigest()])
        previous = hmac.new(signing, text.encode(), "sha256").hexdigest()
        framed += b"%x;chunk-signature=%s\\r\\n" % (len(data), previous.encode()) + (spoil(data) if data else b"") + b"\\r\\n"
    return request("judge.keyward.test", 7443, "PUT", key, headers, b"%x\\r\\n" % len(framed) + framed + b"\\r\\n0\\r\\n\\r\\n")
status, _, answer = upload("/demo/chunks", lambda data: data)
assert status == 200, (status, answer)
status, head, answer = upload("/demo/chunks-spoilt", lambda data: data[:-1] + b"t")
assert status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in answer, (status, answer)
assert head.get("content-type") == "application/xml", head
""")
        self.assertEqual(self.judge.stored(BUCKET, "chunks"), b"s" * 200000)
        self.assertIsNone(self.judge.stored(BUCKET, "chunks-spoilt"))

    def test_the_client_s_own_signature_never_arrives(self):
        self.raw("""
digest = hashlib.sha256(b"").hexdigest()
headers = sign("GET", "judge.keyward.test:7443", "/demo/", "list-type=2", digest, {"x-amz-security-token": "placeholder-session"})
status, _, answer = request("judge.keyward.test", 7443, "GET", "/demo/", headers, query="list-type=2")
assert status == 200, (status, answer)
""")
        head = self.judge.requests("GET", f"/{BUCKET}/")[-1]
        self.assertNotIn("x-amz-security-token", head)
        self.assertIn(f"Credential={Keys.access}/", head["authorization"])

    def test_a_key_that_is_not_the_placeholder_is_refused(self):
        out = self.raw("""
ACCESS = "AKIAOTHERKEYOTHERKEY"
digest = hashlib.sha256(b"").hexdigest()
headers = sign("GET", "judge.keyward.test:7443", "/demo/other-key", "", digest, {})
print(request("judge.keyward.test", 7443, "GET", "/demo/other-key", headers)[0])
""")
        self.assertEqual(out.strip(), "403")
        self.assertEqual(self.judge.requests("GET", f"/{BUCKET}/other-key"), [])


class KeysTest(Case):
    """Object keys that are easy to sign wrongly."""

    def test_keys_with_blank_plus_umlaut_slashes_and_percent(self):
        sandbox = self.world.local_for(self.world.judge, label="keys", allow_encoded_slash=True)
        out = self.ended_well(sandbox.python(BOTO3 + """
for n, key in enumerate(["with blank", "a+b", "gr\u00fc\u00dfe/\u65e5\u672c", "a//b", "100%25", "tilde~(1)!'*", "q?a=1&b", "dots/./x"]):
    body = f"{n}".encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body, key
    print(n)
""", ENDPOINT, BUCKET, options=REGION_ENV))
        self.assertEqual(out.split(), [str(n) for n in range(8)])
