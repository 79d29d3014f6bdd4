"""The main job: Debian's AWS CLI and boto3 inside the sandbox, with placeholder keys only, against SeaweedFS over https."""
from e2e.suite import Case
from e2e.support.programs import BOTO3, REGION_ENV
from e2e.support.keyward import ENVIRONMENT
from e2e.support.s3_servers import Keys

AWS = "aws --endpoint-url https://s3.keyward.test:8333"


class ClientsTest(Case):
    def setUp(self):
        self.sandbox = self.world.local_for(self.world.seaweedfs, label="clients")

    def shell(self, script):
        return self.ended_well(self.sandbox.shell(script, options=REGION_ENV, timeout=300))

    def python(self, program, *arguments):
        return self.ended_well(self.sandbox.python(BOTO3 + program, "https://s3.keyward.test:8333", *arguments,
                                                   options=REGION_ENV, timeout=300))

    def test_aws_cli_copies_20_mib_both_ways(self):
        out = self.shell(f"""
          cd /tmp; head -c 20971520 /dev/urandom >up
          {AWS} s3 mb s3://cli-job >&2
          {AWS} s3 cp --no-progress up s3://cli-job/file >&2
          {AWS} s3 ls s3://cli-job/
          {AWS} s3 cp --no-progress s3://cli-job/file down >&2
          cmp up down && echo the same""")
        self.assertRegex(out, r"20971520 file")
        self.assertIn("the same", out)

    def test_boto3_multipart_64_mib_and_a_range(self):
        out = self.python("""
from boto3.s3.transfer import TransferConfig
s3.create_bucket(Bucket=bucket)
data = os.urandom(1 << 20) * 64
s3.upload_fileobj(io.BytesIO(data), bucket, "big", Config=TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20))
head = s3.head_object(Bucket=bucket, Key="big")
part = s3.get_object(Bucket=bucket, Key="big", Range="bytes=1000000-1999999")
assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
assert part["Body"].read() == data[1000000:2000000]
got = hashlib.sha256()
for chunk in s3.get_object(Bucket=bucket, Key="big")["Body"].iter_chunks(1 << 20):
    got.update(chunk)
assert got.hexdigest() == hashlib.sha256(data).hexdigest()
print("parts", head["ETag"].strip('"').split("-")[-1], head["ContentLength"])
""", "boto-multipart")
        self.assertIn("parts 8 67108864", out)

    def test_boto3_empty_object_list_and_delete(self):
        out = self.python("""
s3.create_bucket(Bucket=bucket)
s3.put_object(Bucket=bucket, Key="empty", Body=b"")
assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""
print([o["Key"] + ":" + str(o["Size"]) for o in s3.list_objects_v2(Bucket=bucket)["Contents"]])
s3.delete_object(Bucket=bucket, Key="empty")
print(s3.list_objects_v2(Bucket=bucket)["KeyCount"])
""", "boto-empty")
        self.assertEqual(out.split("\n")[:2], ["['empty:0']", "0"])

    def test_boto3_concurrent_clients(self):
        out = self.python("""
from concurrent.futures import ThreadPoolExecutor
s3.create_bucket(Bucket=bucket)
def job(n):
    body = str(n).encode() * 1000
    mine = client() if n % 8 == 0 else s3
    mine.put_object(Bucket=bucket, Key=f"k{n}", Body=body)
    return mine.get_object(Bucket=bucket, Key=f"k{n}")["Body"].read() == body
with ThreadPoolExecutor(16) as pool:
    print(sum(pool.map(job, range(64))))
""", "boto-many")
        self.assertEqual(out.strip(), "64")

    def test_the_child_holds_placeholders_only(self):
        out = self.shell("env; cat /proc/self/environ | tr '\\0' '\\n'")
        self.assertNotIn(Keys.access, out)
        self.assertNotIn(Keys.secret, out)
        self.assertRegex(out, r"AWS_ACCESS_KEY_ID=AKIA[A-Z0-9]{16}")

    def test_placeholder_keys_are_worth_nothing_outside(self):
        out = self.shell("echo $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY")
        access, secret = out.split()
        import subprocess
        done = subprocess.run(
            ["ip", "netns", "exec", self.world.machine.network().name, "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
             "--resolve", f"s3.keyward.test:8333:{self.world.machine.network().there}", "--cacert", self.world.pki.ca,
             "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{access}:{secret}",
             "-H", "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
             "https://s3.keyward.test:8333/"], capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
        self.assertEqual(done.stdout, "403", done.stderr)

    def test_each_request_is_in_the_audit_log_and_no_secret_is(self):
        self.shell(f"{AWS} s3 ls >&2")
        events = self.sandbox.audit_events()
        signed = [event for event in events if event.get("class_uid") == 4002]
        self.assertTrue(signed, events)
        text = str(events)
        self.assertNotIn(Keys.secret, text)
