"""The standalone signing proxy before real S3 servers that verify: callers that sign nothing, and everything that can go wrong."""
import hashlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import time

from e2e.suite import Case
from e2e.support.s3_servers import REGION, Keys
from e2e.support.sigv4_proxy import Proxy, curl, raw
from e2e.support.world import BUCKET

ODD_KEYS = ["plain", "a b", "plus+plus", "ümlaut", "per%25cent", "at@sign", "a//b", "semi;colon", "eq=uals&amp", "(paren)", "quote'"]


def quoted(key):
    from urllib.parse import quote
    return quote(key, safe="/")


class SigningTest(Case):
    """Through one proxy to versitygw, the strict judge, over http."""
    def setUp(self):
        self.proxy = self.world.sigv4_proxy

    def stored(self, key):
        return self.world.judge.stored(BUCKET, key)

    def put(self, key, body, *options):
        return curl(self.proxy.url(f"/{BUCKET}/{key}"), "-X", "PUT", "--data-binary", "@-", "-H", "Content-Type: application/octet-stream",
                    *options, body=body)

    def test_put_and_get_of_callers_that_cannot_sign(self):
        body = b"small" * 100
        self.assertEqual(self.put("small", body).status, 200)
        self.assertEqual(self.stored("small"), body)
        self.assertEqual(curl(self.proxy.url(f"/{BUCKET}/small")).body, body)
        listing = curl(self.proxy.url(f"/{BUCKET}?list-type=2&prefix=sm"))
        self.assertIn(b"<Key>small</Key>", listing.body)

    def test_odd_keys(self):
        for key in ODD_KEYS:
            with self.subTest(key=key):
                done = self.put(quoted(key), key.encode())
                self.assertEqual(done.status, 200, done.body[:500])
                self.assertEqual(self.stored(key), key.encode())
                self.assertEqual(curl(self.proxy.url(f"/{BUCKET}/{quoted(key)}")).body, key.encode())

    def test_a_body_of_exactly_the_buffer_and_one_more(self):
        for size in (65535, 65536, 65537):
            with self.subTest(size=size):
                self.assertEqual(self.put(f"edge-{size}", b"e" * size).status, 200)
                self.assertEqual(len(self.stored(f"edge-{size}")), size)

    def test_64_mib_in_constant_memory(self):
        body = os.urandom(1 << 20) * 64
        self.assertEqual(self.put("large", body).status, 200)
        self.assertEqual(hashlib.sha256(self.stored("large")).digest(), hashlib.sha256(body).digest())
        self.assertEqual(hashlib.sha256(curl(self.proxy.url(f"/{BUCKET}/large")).body).digest(), hashlib.sha256(body).digest())
        self.assertLess(self.proxy.peak_rss(), 40 << 20)

    def test_ranges_and_head(self):
        self.put("range", b"0123456789")
        part = curl(self.proxy.url(f"/{BUCKET}/range"), "-r", "2-5")
        self.assertEqual((part.status, part.body), (206, b"2345"))
        head = curl(self.proxy.url(f"/{BUCKET}/range"), "-I")
        self.assertEqual(head.status, 200)
        self.assertIn("content-length: 10", head.headers.lower())

    def test_chunked_bodies_get_a_length(self):
        done = self.put("chunked", b"c" * 300000, "-H", "Transfer-Encoding: chunked")
        self.assertEqual(done.status, 200, done.body[:500])
        self.assertEqual(self.stored("chunked"), b"c" * 300000)

    def test_client_headers_are_signed_or_dropped(self):
        done = self.put("meta", b"m", "-H", "x-amz-meta-colour: blue", "-H", "Authorization: Basic Zm9v", "-H", "x-amz-date: 20010101T000000Z",
                        "-H", "x-amz-security-token: foreign", "-H", "Connection: close, x-drop", "-H", "x-drop: 1")
        self.assertEqual(done.status, 200, done.body[:500])
        self.assertIn("x-amz-meta-colour: blue", curl(self.proxy.url(f"/{BUCKET}/meta"), "-I").headers.lower())

    def test_a_declared_hash_is_checked(self):
        right = hashlib.sha256(b"declared").hexdigest()
        self.assertEqual(self.put("declared", b"declared", "-H", f"x-amz-content-sha256: {right}").status, 200)
        wrong = self.put("wrong", b"another", "-H", f"x-amz-content-sha256: {right}")
        self.assertEqual(wrong.status, 400)
        self.assertIsNone(self.stored("wrong"))

    def test_expect_continue_once(self):
        answer = raw(self.proxy.port, b"PUT /%s/expect HTTP/1.1\r\nHost: p\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n"
                     b"Connection: close\r\n\r\n" % BUCKET.encode(), after_continue=b"x" * 100000)
        self.assertEqual(answer.count(b"100 Continue"), 1, answer[:300])
        self.assertIn(b"HTTP/1.1 200", answer)
        small = raw(self.proxy.port, b"PUT /%s/expect2 HTTP/1.1\r\nHost: p\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"
                    b"Connection: close\r\n\r\n" % BUCKET.encode(), after_continue=b"12345")
        self.assertEqual(small.count(b"100 Continue"), 1)
        self.assertEqual(self.stored("expect2"), b"12345")

    def test_http_1_0_and_keep_alive(self):
        self.put("old", b"old")
        answer = raw(self.proxy.port, b"GET /%s/old HTTP/1.0\r\n\r\n" % BUCKET.encode())
        self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer[:200])
        self.assertTrue(answer.endswith(b"\r\n\r\nold"))
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.port, timeout=20)
        for _ in range(5):
            connection.request("GET", f"/{BUCKET}/old")
            sock = connection.sock
            self.assertEqual(connection.getresponse().read(), b"old")
            self.assertIs(connection.sock, sock)
        connection.close()

    def test_the_upstreams_own_refusals_are_passed_on(self):
        self.assertEqual(curl(self.proxy.url(f"/{BUCKET}/absent")).status, 404)
        self.assertIn(b"NoSuchKey", curl(self.proxy.url(f"/{BUCKET}/absent")).body)

    def test_a_presigned_query_is_not_sent_along(self):
        self.put("presigned", b"p")
        done = curl(self.proxy.url(f"/{BUCKET}/presigned?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00&X-Amz-Expires=60"))
        self.assertEqual((done.status, done.body), (200, b"p"))

    def test_health_and_metrics(self):
        self.assertEqual(curl(self.proxy.utility("/health")).body, b"OK\n")
        curl(self.proxy.url(f"/{BUCKET}/absent"))
        text = curl(self.proxy.utility("/metrics")).body.decode()
        self.assertRegex(text, r'keyward_sigv4_requests_total\{code="404"\} [1-9]')
        self.assertIn("keyward_sigv4_keys_usable 1", text)
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) [a-z_0-9]+ .+|[a-z_0-9]+(\{[a-z]+="[^"]*"\})? [0-9.e+]+)$')
        self.assertEqual(curl(self.proxy.utility("/other")).status, 404)

    def test_bad_input(self):
        cases = {
            "two lengths": (b"PUT /k HTTP/1.1\r\nHost: p\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", b"400"),
            "length and chunks": (b"PUT /k HTTP/1.1\r\nHost: p\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
            "broken chunk": (b"PUT /demo/k HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
            "bare line feed": (b"GET /k HTTP/1.1\nHost: p\n\n", b"400"),
            "folded header": (b"GET /k HTTP/1.1\r\nHost: p\r\nA: b\r\n c\r\n\r\n", b"400"),
            "two hosts": (b"GET /k HTTP/1.1\r\nHost: p\r\nHost: q\r\n\r\n", b"400"),
            "malformed escape": (b"GET /%zz HTTP/1.1\r\nHost: p\r\n\r\n", b"400"),
            "unknown payload": (b"PUT /k HTTP/1.1\r\nHost: p\r\nContent-Length: 1\r\nx-amz-content-sha256: abc\r\n\r\nx", b"400"),
            "signed chunks": (b"PUT /k HTTP/1.1\r\nHost: p\r\nContent-Length: 1\r\n"
                              b"x-amz-decoded-content-length: 1\r\nx-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\n\r\nx", b"501"),
            "tunnel": (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", b"501"),
            "large head": (b"GET /k HTTP/1.1\r\nHost: p\r\nA: " + b"a" * 70000 + b"\r\n\r\n", b"431"),
            "body cut": (b"PUT /demo/cut HTTP/1.1\r\nHost: p\r\nContent-Length: 9\r\n\r\nfour", b"400"),
        }
        for name, (request, status) in cases.items():
            with self.subTest(name):
                answer = raw(self.proxy.port, request, finish=True)
                self.assertTrue(answer.startswith(b"HTTP/1.1 " + status), answer[:200])
        self.assertIsNone(self.stored("cut"))
        self.assertEqual(self.proxy.process.poll(), None)


class PeersTest(Case):
    """Other proxies, each for one question."""
    def setUp(self):
        self.proxies = []

    def tearDown(self):
        for proxy in self.proxies:
            proxy.stop()

    def start(self, forward_to, *options, **settings):
        proxy = Proxy(self.world.machine, forward_to, *options, **settings)
        self.proxies.append(proxy)
        return proxy

    def judge(self, *options, **settings):
        judge = self.world.judge
        alias = f"{judge.plain_name}={self.world.machine.network().there}"
        return self.start(f"http://{judge.plain_name}:{judge.plain_port}", "--host-alias", alias, *options, **settings).wait_ready()

    def weed(self, *options, **settings):
        server = self.world.seaweedfs
        alias = f"{server.name}={self.world.machine.network().there}"
        return self.start(f"https://{server.name}:{server.port}", "--host-alias", alias, *options, **settings).wait_ready()

    def test_tls_upstream_with_its_authority(self):
        proxy = self.weed("--ca", self.world.pki.ca)
        self.assertEqual(curl(proxy.url("/tls-bucket"), "-X", "PUT").status, 200)
        body = os.urandom(300000)
        done = curl(proxy.url("/tls-bucket/key"), "-X", "PUT", "--data-binary", "@-", body=body)
        self.assertEqual(done.status, 200, done.body[:300])
        self.assertEqual(curl(proxy.url("/tls-bucket/key")).body, body)

    def test_tls_upstream_of_an_unknown_authority(self):
        refused = curl(self.weed().url("/tls-bucket/key"))
        self.assertEqual(refused.status, 502)
        self.assertIn(b"--ca", refused.body)
        loud = self.weed("--no-verify-ssl")
        self.assertIn(curl(loud.url("/")).status, (200, 403))
        self.assertIn("upstream_not_verified", loud.log())

    def test_wrong_keys_get_the_upstreams_403(self):
        proxy = self.judge(env={"AWS_SECRET_ACCESS_KEY": "wrong"})
        refused = curl(proxy.url(f"/{BUCKET}/small"))
        self.assertEqual(refused.status, 403)
        self.assertIn(b"SignatureDoesNotMatch", refused.body)

    def test_no_keys(self):
        judge = self.world.judge
        proxy = self.start(f"http://{judge.plain_name}:{judge.plain_port}", keys=False)
        proxy.wait_listening()
        refused = curl(proxy.url(f"/{BUCKET}/small"))
        self.assertEqual(refused.status, 503)
        self.assertIn(b"no source of AWS credentials is configured", refused.body)
        self.assertEqual(curl(proxy.utility("/health")).status, 503)

    def test_keys_of_a_shared_file_that_is_replaced(self):
        path = self.world.machine.write("aws-credentials", f"[work]\naws_access_key_id = {Keys.access}\naws_secret_access_key = {Keys.secret}\n")
        proxy = self.judge(keys=False, env={"AWS_PROFILE": "work", "AWS_SHARED_CREDENTIALS_FILE": path})
        self.assertEqual(curl(proxy.url(f"/{BUCKET}?location")).status, 200)

    def test_credential_process(self):
        program = self.world.machine.write("secrets/keys.sh", "#!/bin/sh\necho '{\"Version\":1,\"AccessKeyId\":\"" + Keys.access +
                                           "\",\"SecretAccessKey\":\"" + Keys.secret + "\"}'\n", mode=0o700)
        config = self.world.machine.write("aws-config", f"[default]\ncredential_process = {program} ignored 'words'\n")
        proxy = self.judge(keys=False, env={"AWS_CONFIG_FILE": config})
        self.assertEqual(curl(proxy.url(f"/{BUCKET}?location")).status, 200)

    def test_the_environment_shows_no_secret(self):
        proxy = self.judge()
        with open(f"/proc/{proxy.process.pid}/environ", "rb") as file:
            self.assertNotIn(Keys.secret.encode(), file.read())
        self.assertNotIn(Keys.secret, proxy.log())

    def test_an_upstream_that_is_away(self):
        there = self.world.machine.network().there
        proxy = self.start(f"http://{there}:9", "--connect-timeout", "2").wait_ready()
        self.assertEqual(curl(proxy.url("/k")).status, 502)
        unknown = self.start("http://no.such.host.invalid", "--connect-timeout", "2").wait_ready()
        self.assertIn(curl(unknown.url("/k")).status, (502, 504))

    def test_an_upstream_that_says_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            proxy = self.start(f"http://127.0.0.1:{silent.getsockname()[1]}", "--request-timeout", "1").wait_ready()
            self.assertEqual(curl(proxy.url("/k")).status, 504)

    def test_a_path_in_the_url_comes_first(self):
        judge = self.world.judge
        alias = f"{judge.plain_name}={self.world.machine.network().there}"
        proxy = self.start(f"http://{judge.plain_name}:{judge.plain_port}/{BUCKET}", "--host-alias", alias).wait_ready()
        self.assertEqual(curl(proxy.url("/prefixed"), "-X", "PUT", "--data-binary", "@-", body=b"p").status, 200)
        self.assertEqual(judge.stored(BUCKET, "prefixed"), b"p")

    def test_rewriting_and_unsigned_payload(self):
        proxy = self.judge("--unsigned-payload", "--custom-headers", "x-amz-meta-by=proxy", "--strip-header", "x-amz-meta-secret*",
                           "--duplicate-headers", "x-amz-meta-kept")
        done = curl(proxy.url(f"/{BUCKET}/rewritten"), "-X", "PUT", "--data-binary", "@-", "-H", "x-amz-meta-secret-one: 1",
                    "-H", "x-amz-meta-kept: 2", body=b"r")
        self.assertEqual(done.status, 200, done.body[:300])
        headers = curl(proxy.url(f"/{BUCKET}/rewritten"), "-I").headers.lower()
        self.assertIn("x-amz-meta-by: proxy", headers)
        self.assertNotIn("secret-one", headers)

    def test_dry_run(self):
        proxy = self.judge("--dry-run")
        shown = curl(proxy.url(f"/{BUCKET}/dry"), "-X", "PUT", "--data-binary", "@-", body=b"d").body.decode()
        self.assertIn(f"PUT\n/{BUCKET}/dry\n\n", shown)
        self.assertIn(f"/{REGION}/s3/aws4_request", shown)
        self.assertIsNone(self.world.judge.stored(BUCKET, "dry"))

    def test_term_lets_a_transfer_end(self):
        proxy = self.judge()
        self.proxies.remove(proxy)
        idle = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
        idle.request("GET", f"/{BUCKET}?location")
        idle.getresponse().read()
        with socket.create_connection(("127.0.0.1", proxy.port), 20) as client:
            client.sendall(b"PUT /%s/drained HTTP/1.1\r\nHost: p\r\nContent-Length: 200000\r\n\r\n" % BUCKET.encode() + b"d" * 100000)
            time.sleep(0.5)
            proxy.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            self.assertIsNone(proxy.process.poll())
            with self.assertRaises(OSError):
                socket.create_connection(("127.0.0.1", proxy.port), 2).close()
            client.sendall(b"d" * 100000)
            answer = client.recv(65536)
        self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer[:200])
        self.assertIn(b"connection: close", answer.lower())
        self.assertEqual(proxy.process.wait(5), 0)
        self.assertEqual(self.world.judge.stored(BUCKET, "drained"), b"d" * 200000)
        idle.close()
        proxy.stop()

    def test_certificate_and_its_replacement(self):
        pki = self.world.pki
        folder = self.world.machine.folder("secrets/proxy-tls", 0o700)
        cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")

        def install(name):
            for source, target in zip(pki.issue(name), (cert, key)):
                with open(source, "rb") as file, open(target + ".next", "wb") as out:
                    os.fchmod(out.fileno(), 0o600)
                    out.write(file.read())
                os.replace(target + ".next", target)

        def serial():
            context = ssl.create_default_context(cafile=pki.ca)
            context.check_hostname = False
            with socket.create_connection(("127.0.0.1", proxy.port), 10) as plain, context.wrap_socket(plain) as tls:
                return tls.getpeercert()["serialNumber"]

        install("one.keyward.test")
        proxy = self.judge("--cert", cert, "--key", key, tls=True)
        first = serial()
        done = curl(proxy.url(f"/{BUCKET}?location"), "--insecure")
        self.assertEqual(done.status, 200)
        # One silent client does not keep others out.
        with socket.create_connection(("127.0.0.1", proxy.port), 10):
            self.assertEqual(serial(), first)
        install("two.keyward.test")
        proxy.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 20
        while serial() == first and time.monotonic() < end:
            time.sleep(0.1)
        self.assertNotEqual(serial(), first)
        with open(cert, "wb") as file:
            file.write(b"not a certificate")
        proxy.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        self.assertNotEqual(serial(), first)
        self.assertIn("certificate_not_reloaded", proxy.log())

    def test_readiness_for_systemd(self):
        path = os.path.join(self.world.machine.work, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(path)
            listener.settimeout(20)
            proxy = self.judge(env={"NOTIFY_SOCKET": path})
            self.assertEqual(listener.recv(100), b"READY=1")
            proxy.stop()
            self.proxies.remove(proxy)
            self.assertEqual(listener.recv(100), b"STOPPING=1")

    def test_options_that_are_wrong(self):
        for options in ([], ["-f", "ftp://x"], ["-f", "http://x"], ["-f", "http://x", "-s", "s3", "-r", "r", "--listen-on", "here"],
                        ["-f", "http://x", "-s", "s3", "-r", "r", "--custom-headers", "Host=x"]):
            with self.subTest(options=options):
                done = subprocess.run([Proxy.PROGRAM, *options], capture_output=True, text=True, timeout=20,
                                      env={"AWS_EC2_METADATA_DISABLED": "true"})
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertRegex(done.stderr, r"^sigv4-proxy: .+\n$")
