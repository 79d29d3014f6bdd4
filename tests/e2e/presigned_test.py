"""Presigned URLs: made inside a sandbox from the placeholder they work there and nowhere else; sigv4-proxy verifies its clients'."""
import json
import re
import subprocess
from urllib.parse import parse_qs, urlsplit

from e2e.suite import Case
from e2e.support.keyward import ENVIRONMENT
from e2e.support.s3_clients import CLIENTS, answers
from e2e.support.s3_servers import Keys
from e2e.support.sigv4_proxy import Proxy, curl
from e2e.support.world import BUCKET

BOTH = ("boto3", "sdk_js", "minio_js", "minio_go")  # the rest presigns GET only
READERS = ("aws_cli", "rclone")
NOBODY = "No user exists with the provided access key ID"  # as versitygw has it
BODY = b"by a presigned URL"


def jobs(client, key):
    wanted = [{"do": "presign", "method": "GET", "key": key}]
    return wanted if "presign_put" in client.cannot else [{"do": "presign", "method": "PUT", "key": key}, *wanted]


class InsideTest(Case):
    """The program makes the URLs, and whoever it gives them to inside uses them."""
    # Runs the client for its URLs, then uses each with curl: one JSON line for each.
    PROGRAM = """
import json, subprocess, sys
uses, command = json.loads(sys.argv[1]), sys.argv[2:]
made = subprocess.run(command, capture_output=True, text=True, timeout=120)
sys.stderr.write(made.stderr)
for line, words in zip(made.stdout.splitlines(), uses):
    answer = json.loads(line)
    done = subprocess.run(["curl", "-sS", "--globoff", "-w", "%{stderr}%{http_code}", *words, answer.get("url", "")], capture_output=True, text=True)
    print(json.dumps({**answer, "status": done.stderr, "body": done.stdout}))
"""
    USES = {"PUT": ["-X", "PUT", "--data-binary", BODY.decode(), "-H", "content-type:"], "GET": ["-r", "3-11"]}

    def use(self, name):
        """(key, an answer for PUT and one for GET, or only the latter)"""
        judge, key = self.world.judge, f"presigned-{name}/with blank+plus"
        client = CLIENTS[name](self.world.machine)
        wanted = jobs(client, key)
        sandbox = self.world.local_for(judge, label=f"presigned-{name}")
        done = sandbox.python(self.PROGRAM, json.dumps([self.USES[job["method"]] for job in wanted]),
                              *client.command(f"https://{judge.name}:{judge.port}", BUCKET, wanted), options=client.options())
        return key, answers(wanted, done)

    def outside(self, url, *words):
        """The same URL without Keyward, straight to the judge."""
        judge, network = self.world.judge, self.world.machine.network()
        done = subprocess.run(["curl", "-sS", "--globoff", "-w", "%{http_code}", "--resolve", f"{judge.name}:{judge.port}:{network.there}",
                               "--cacert", self.world.pki.ca, *words, url], capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
        return done.stdout

    def test_get_and_put(self):
        for name in BOTH:
            with self.subTest(name):
                key, (put, got) = self.use(name)
                self.assertEqual(put["status"], "200", put)
                self.assertEqual(self.world.judge.stored(BUCKET, key), BODY)
                self.assertEqual((got["status"], got["body"]), ("206", BODY[3:12].decode()))
                for answer in (put, got):
                    self.assertNotIn(Keys.access, answer["url"])
                    self.assertRegex(self.outside(answer["url"]), NOBODY)

    def test_get(self):
        judge = self.world.judge
        for name in READERS:
            with self.subTest(name):
                judge.make_bucket(f"{BUCKET}/presigned-{name}")
                self.world.machine.write(f"versitygw/{BUCKET}/presigned-{name}/with blank+plus", BODY)
                _, (got,) = self.use(name)
                self.assertEqual((got["status"], got["body"]), ("206", BODY[3:12].decode()))
                self.assertRegex(self.outside(got["url"]), NOBODY)

    def test_what_arrives_is_short_lived_and_of_the_real_key(self):
        _, (put, _) = self.use("boto3")
        path = urlsplit(put["url"]).path
        heads = [head for head in self.world.judge.heads() if head["method"] == "PUT" and urlsplit(head["target"]).path == path]
        query = parse_qs(urlsplit(heads[-1]["target"]).query)
        self.assertTrue(query["X-Amz-Credential"][0].startswith(Keys.access + "/"))
        self.assertLessEqual(int(query["X-Amz-Expires"][0]), 300)
        self.assertNotIn("authorization", heads[-1])


class ProxyTest(Case):
    """sigv4-proxy before the judge."""

    def setUp(self):
        judge = self.world.judge
        self.keys = self.world.machine.write("presigned.toml", '[clients.AKIACLIENT]\nsecret_access_key = "client-secret"\n')
        self.proxy = Proxy(self.world.machine, f"http://{judge.plain_name}:{judge.plain_port}", "--host-alias",
                           f"{judge.plain_name}={self.world.machine.network().there}", "--verify-chunks", self.keys).wait_ready()

    def tearDown(self):
        self.proxy.stop()

    def urls(self, name, key, keys=("AKIACLIENT", "client-secret"), proxy=None):
        client = CLIENTS[name](self.world.machine)
        wanted = jobs(client, key)
        return [answer["url"] for answer in answers(wanted, client.run((proxy or self.proxy).url(""), BUCKET, wanted, keys))]

    def put(self, url, *words, body=BODY):
        done = curl(url, "--globoff", "-X", "PUT", "--data-binary", "@-", "-H", "content-type:", *words, body=body)
        code = re.search(rb"<Code>(\w+)</Code>", done.body)
        return done.status, code.group(1).decode() if code else ""

    def test_clients_are_verified(self):
        for name in BOTH:
            with self.subTest(name):
                key = f"presigned-by-{name}/a b+c"
                put, get = self.urls(name, key)
                self.assertEqual(self.put(put), (200, ""))
                self.assertEqual(self.world.judge.stored(BUCKET, key), BODY)
                self.assertEqual(curl(get, "--globoff").body, BODY)

    def test_what_was_changed_or_is_of_somebody_else_is_refused(self):
        put, get = self.urls("boto3", "presigned-changed")
        other, _ = self.urls("boto3", "presigned-changed", keys=("AKIAOTHER", "client-secret"))
        wrong, _ = self.urls("boto3", "presigned-changed", keys=("AKIACLIENT", "wrong"))
        last = put[-1]
        cases = {"signature": (put[:-1] + ("0" if last != "0" else "1"), "SignatureDoesNotMatch"),
                 "path": (put.replace("presigned-changed", "presigned-chanced"), "SignatureDoesNotMatch"),
                 "expiry": (put.replace("X-Amz-Expires=300", "X-Amz-Expires=3000"), "SignatureDoesNotMatch"),
                 "date": (re.sub(r"X-Amz-Date=\d{8}T", "X-Amz-Date=20200101T", put), "AuthorizationQueryParametersError"),
                 "one more item": (put + "&acl", "SignatureDoesNotMatch"), "no signature": (put[:put.index("&X-Amz-Signature")], "AuthorizationQueryParametersError"),
                 "method": (get, "SignatureDoesNotMatch"), "another client": (other, "InvalidAccessKeyId"), "a wrong secret": (wrong, "SignatureDoesNotMatch")}
        for name, (url, code) in cases.items():
            with self.subTest(name):
                status, got = self.put(url)
                self.assertEqual(got, code)
                self.assertIn(status, (400, 403))
        self.assertEqual(self.put(put, "-H", "x-amz-acl: public-read"), (403, "AccessDenied"))
        self.assertEqual(self.put(put, "-H", "Authorization: AWS4-HMAC-SHA256 Credential=x"), (400, "InvalidArgument"))
        for key in ("presigned-changed", "presigned-chanced"):
            self.assertIsNone(self.world.judge.stored(BUCKET, key))
        self.assertEqual(self.put(put), (200, ""))

    def test_a_proxy_that_trusts_its_callers_signs_them_anew(self):
        put, get = self.urls("sdk_js", "presigned-trusted", keys=("AKIAANY", "any"), proxy=self.world.sigv4_proxy)
        self.assertEqual(self.put(put), (200, ""))
        self.assertEqual(curl(get, "--globoff").body, BODY)
