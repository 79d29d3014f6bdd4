"""sigv4-proxy --any-aws-host: each request goes to the AWS endpoint that its own Host names, and nowhere else."""
import json
import os
import re

from e2e.suite import Case
from e2e.support import tools
from e2e.support.machine import wait_until
from e2e.support.s3_servers import REGION, Keys
from e2e.support.sigv4_proxy import Proxy, curl, raw
from e2e.support.world import BUCKET

HOST = f"s3.{REGION}.amazonaws.com"
ELSEWHERE = ("example.com", "169.254.169.254", "localhost", f"{HOST}.example.com", f"{HOST}:8443", f"{HOST}:80", f"evil.test@{HOST}", "amazonaws.com",
             f"{BUCKET}.s3-website-{REGION}.amazonaws.com")


class AnyAwsHostTest(Case):
    def setUp(self):
        machine, judge = self.world.machine, self.world.judge
        there = machine.network().there
        self.heads = os.path.join(machine.work, "any-aws-host.jsonl")
        certificate, key = self.world.pki.issue(HOST, f"sts.{REGION}.amazonaws.com")
        recorder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "support/recorder.py")
        self.front = machine.start("aws-front", [tools.PYTHON, recorder, there, "443", certificate, key, str(judge.plain_port), self.heads], inside=True)
        wait_until(lambda: machine.network().listens(443), 30, "the front of S3")
        self.proxy = Proxy(machine, None, "--ca", self.world.pki.ca, *(option for host in (HOST, f"sts.{REGION}.amazonaws.com", "example.com")
                                                                       for option in ("--host-alias", f"{host}={there}"))).wait_ready()

    def tearDown(self):
        self.proxy.stop()
        self.world.machine.stop(self.front)
        if os.path.exists(self.heads):
            os.remove(self.heads)  # it holds a key id, and other tests look for those

    def arrived(self):
        if not os.path.exists(self.heads):
            return []
        with open(self.heads, encoding="utf-8") as file:
            return [dict(json.loads(line)["headers"]) for line in file]

    def test_the_request_says_where_to(self):
        body = os.urandom(100000)
        done = curl(self.proxy.url(f"/{BUCKET}/any%20host"), "-H", f"Host: {HOST}", "-X", "PUT", "--data-binary", "@-", body=body)
        self.assertEqual(done.status, 200, done.body[:300])
        self.assertEqual(self.world.judge.stored(BUCKET, "any host"), body)
        by_proxy = curl(f"http://{HOST}/{BUCKET}/any%20host", "--proxy", f"http://127.0.0.1:{self.proxy.port}")
        self.assertEqual((by_proxy.status, by_proxy.body), (200, body))
        for head in self.arrived():
            self.assertEqual(head["host"], HOST)
            self.assertIn(f"Credential={Keys.access}/", head["authorization"])
            self.assertIn(f"/{REGION}/s3/aws4_request", head["authorization"])
        curl(self.proxy.url("/?Action=GetCallerIdentity&Version=2011-06-15"), "-H", f"Host: sts.{REGION}.amazonaws.com")
        self.assertIn(f"/{REGION}/sts/aws4_request", self.arrived()[-1]["authorization"])

    def test_it_goes_nowhere_else(self):
        before = len(self.arrived())
        for host in ELSEWHERE:
            with self.subTest(host):
                answer = raw(self.proxy.port, f"GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                self.assertIsNotNone(re.match(rb"HTTP/1\.1 4(00|21) ", answer), answer[:300])
        self.assertRegex(raw(self.proxy.port, b"GET /x HTTP/1.0\r\n\r\n"), rb"^HTTP/1\.[01] 4(00|21) ")
        absolute = f"GET http://example.com/x HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
        self.assertRegex(raw(self.proxy.port, absolute), rb"^HTTP/1\.1 4(00|21) ")
        self.assertEqual(len(self.arrived()), before)
