"""What the sandbox's network refuses, each with its positive control: the same attempt works outside."""
import json
import subprocess

from e2e.suite import Case
from e2e.support.programs import RAW
from e2e.support.keyward import ENVIRONMENT, Local, endpoint
from e2e.support.machine import wait_until

PROBE = """
import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
try:
    socket.create_connection((host, port), 5)
    print("connected")
except OSError as error:
    print("refused", error.errno)
"""

PLAIN_PORT = 18081

# Answers with the Host field that it was sent.
ECHO_HOST = """
import http.server, sys
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.headers["Host"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Echo).serve_forever()
"""


class NetworkTest(Case):
    def setUp(self):
        self.server = self.world.judge
        self.there = self.world.machine.network().there
        self.sandbox = self.world.local_for(self.server, label="network")

    def outside(self, program, *arguments):
        return subprocess.run(["/usr/bin/python3", "-c", program, *arguments], capture_output=True, text=True, timeout=60,
                              env=ENVIRONMENT).stdout

    def test_a_direct_connection_past_the_proxy(self):
        arguments = (self.there, str(self.server.port))
        self.assertIn("connected", self.outside(PROBE, *arguments))
        self.assertIn("refused 101", self.ended_well(self.sandbox.python(PROBE, *arguments)))

    def test_connect_answers(self):
        table = [("a host that no policy names", "other.keyward.test", 443, 403),
                 ("another port of an allowed host", self.server.name, 22, 403),
                 ("an address instead of the name", self.there, self.server.port, 403),
                 ("loopback", "127.0.0.1", 22, 403), ("loopback by name", "localhost", 22, 403),
                 ("a zone", "[fe80::1%25lo]", 80, 400), ("no host", "", 80, 400)]
        program = RAW + "".join(f"print(tunnel({host!r}, {port})[1])\n" for _, host, port, _ in table)
        got = self.ended_well(self.sandbox.python(program, env={}, options=("--env", "AWS_DEFAULT_REGION=x"))).split()
        for (what, _, _, status), answer in zip(table, got):
            with self.subTest(what):
                self.assertEqual(int(answer), status)
        self.assertEqual(len(got), len(table))

    def test_a_denial_says_why(self):
        out = self.ended_well(self.sandbox.python("""
import json, os, socket
from urllib.parse import urlsplit
proxy = urlsplit(os.environ["HTTPS_PROXY"])
s = socket.create_connection((proxy.hostname, proxy.port))
s.sendall(b"GET http://other.keyward.test/x HTTP/1.1\\r\\nHost: other.keyward.test\\r\\nAccept: application/json\\r\\nConnection: close\\r\\n\\r\\n")
data = b""
while more := s.recv(65536):
    data += more
head, body = data.split(b"\\r\\n\\r\\n", 1)
print(head.decode().lower())
problem = json.loads(body)
print(sorted(problem))
"""))
        self.assertIn("403", out.splitlines()[0])
        self.assertIn("content-type: application/problem+json", out)
        self.assertIn("proxy-status:", out)
        self.assertIn("'title'", out)

    def test_no_policy_denies_everything(self):
        from e2e.support.keyward import SUPERVISOR
        program = RAW.replace('os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]', '"", ""')
        audit = self.world.machine.folder("nothing-audit", 0o700) + "/audit.jsonl"
        done = subprocess.run([SUPERVISOR, "run", "--audit-log", audit, "--", "/usr/bin/python3", "-c",
                               program + f"print(tunnel({self.server.name!r}, {self.server.port})[1])"], capture_output=True,
                              text=True, env=ENVIRONMENT, timeout=60)
        self.assertEqual(self.ended_well(done).strip(), "503")  # "no policy is loaded", not "the policy says no"

    def test_an_upstream_with_an_unknown_certificate(self):
        from e2e.support.pki import Pki
        stranger = Pki(self.world.machine.folder("stranger"), "A stranger")
        sandbox = self.world.local_for(self.server, label="stranger")
        sandbox.options[sandbox.options.index("--upstream-ca") + 1] = stranger.ca
        out = self.ended_well(sandbox.python(RAW + """
digest = hashlib.sha256(b"").hexdigest()
headers = sign("GET", "judge.keyward.test:7443", "/demo/stranger", "", digest, {})
print(request("judge.keyward.test", 7443, "GET", "/demo/stranger", headers)[0])
"""))
        self.assertEqual(out.strip(), "502")
        self.assertEqual(self.server.requests("GET", "/demo/stranger"), [])

    def test_a_policy_that_names_binaries(self):
        """Who asks is the program that owns the connection, as the kernel tells it: a copy or a script of another one is another."""
        server = self.world.judge
        policy = {"version": 1, "network_policies": {"tests": {
            "endpoints": [endpoint(server.name, server.port, self.there, protocol="rest", access="full")],
            "binaries": [{"path": "/usr/bin/curl"}]}}}
        sandbox = self.world.local_for(server, label="binaries")
        sandbox.policy_file = self.world.machine.write("binaries.yaml", json.dumps(policy), 0o644)
        sandbox.options[sandbox.options.index("--policy") + 1] = sandbox.policy_file
        ask = f"-sS -o /dev/null -w '%{{http_connect}}\\n' https://{server.name}:{server.port}/"
        out = self.ended_well(sandbox.shell(f"""
          echo named; /usr/bin/curl {ask}
          echo child of a shell; sh -c "/usr/bin/curl {ask}; :"
          cp /usr/bin/curl /tmp/curl
          echo copy; /tmp/curl {ask} || true
          echo renamed; (exec -a /usr/bin/curl /tmp/curl {ask}) || true
          echo other; python3 -c 'import urllib.request
try:
    urllib.request.urlopen("https://{server.name}:{server.port}/")
except Exception as error:
    print(error)'
        """)).splitlines()
        self.assertEqual(out[:8], ["named", "200", "child of a shell", "200", "copy", "403", "renamed", "403"])
        self.assertIn("403", out[-1])
        self.assertTrue([event for event in sandbox.audit_events() if "/tmp/curl" in json.dumps(event)], "the record names the program")

    def test_absolute_form(self):
        """Plain http without a tunnel: decided by method; the target names the host, whatever the Host field says (RFC 9112 3.2.2)."""
        machine = self.world.machine
        server = machine.start("plain", ["/usr/bin/python3", "-c", ECHO_HOST, self.there, str(PLAIN_PORT)], inside=True)
        self.addCleanup(machine.stop, server)
        wait_until(lambda: machine.network().listens(PLAIN_PORT), 10, "the plain server")
        sandbox = Local(machine, self.world.pki, names=["plain.keyward.test"], label="plain",
                        endpoints=[endpoint("plain.keyward.test", PLAIN_PORT, self.there, protocol="rest", access="read-only")])
        ask = f"curl -sS --proxy \"$HTTP_PROXY\" -w ' %{{http_code}}\\n' http://plain.keyward.test:{PLAIN_PORT}/"
        out = self.ended_well(sandbox.shell(f"{ask}; {ask} -o /dev/null -X DELETE; {ask} -H 'Host: other.keyward.test'"))
        seen = [f"plain.keyward.test:{PLAIN_PORT}", "200"]
        self.assertEqual(out.split(), [*seen, "403", *seen])
        event = [event for event in sandbox.audit_events() if event.get("class_uid") == 4002][0]
        self.assertEqual(event["http_request"]["url"]["scheme"], "http")
