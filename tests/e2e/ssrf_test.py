"""The proxy is no way into the supervisor's own network (A61, A62): loopback, metadata services, the supervisor's own addresses.

The policies here name every target, so what refuses is the guard on addresses and not the default.  The control is an ordinary
CONNECT proxy, which reaches each of them.
"""
import json
import socket
import subprocess
import threading

from e2e.suite import Case
from e2e.support.keyward import ENVIRONMENT, Local, endpoint
from e2e.support.programs import RAW

# The spellings of an address that getaddrinfo(3) takes.
LOOPBACK = ("127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost")
METADATA = ("169.254.169.254", "2852039166", "0xa9fea9fe")

# In a namespace of its own: an ordinary CONNECT proxy, something to steal on all addresses, and the probes through it.
CONTROL = """
import json, socket, subprocess, sys, threading
for command in (["link", "set", "lo", "up"], ["addr", "add", "169.254.169.254/32", "dev", "lo"]):
    subprocess.run(["ip", *command], check=True)
target = socket.create_server(("0.0.0.0", 0))
proxy = socket.create_server(("127.0.0.1", 0))

def secrets():
    while True:
        target.accept()[0].sendall(b"SECRET")

def relay():
    while True:
        client = proxy.accept()[0]
        host, port = client.recv(4096).split()[1].decode().rsplit(":", 1)
        upstream = socket.create_connection((host, int(port)), 5)
        client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n" + upstream.recv(100))
        client.close()

for work in (secrets, relay):
    threading.Thread(target=work, daemon=True).start()
reached = []
for host in json.loads(sys.argv[1]):
    with socket.create_connection(proxy.getsockname(), 5) as probe:
        probe.sendall(f"CONNECT {host}:{target.getsockname()[1]} HTTP/1.1\\r\\n\\r\\n".encode())
        data = b""
        while more := probe.recv(4096):
            data += more
        reached += [host] if b"SECRET" in data else []
print(json.dumps(reached))
"""


class SsrfTest(Case):
    def setUp(self):
        """Something to steal on every address of the supervisor's namespace; nobody may connect to it."""
        self.target = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.addCleanup(self.target.close)
        self.port, self.visitors = self.target.getsockname()[1], []
        threading.Thread(target=self.count, daemon=True).start()
        self.own = self.world.machine.network().here

    def count(self):
        while True:
            try:
                self.visitors.append(self.target.accept()[1])
            except OSError:
                return

    def statuses(self, sandbox, hosts):
        program = RAW.replace('os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]', '"", ""')
        out = self.ended_well(sandbox.python(program + f"print([tunnel(h, {self.port})[1] for h in {list(hosts)!r}])"))
        return dict(zip(hosts, json.loads(out)))

    def test_the_control_an_ordinary_proxy_reaches_them(self):
        hosts = LOOPBACK + METADATA
        done = subprocess.run(["unshare", "-n", "/usr/bin/python3", "-c", CONTROL, json.dumps(hosts)], capture_output=True, text=True,
                              timeout=60, env=ENVIRONMENT)
        self.assertEqual(json.loads(self.ended_well(done)), list(hosts))
        socket.create_connection((self.own, self.port), 5).close()  # and what the sandbox must not reach is there

    def test_names_that_lead_there(self):
        """Rebinding: the name is allowed, what it resolves to is not."""
        aliases = {"loop.keyward.test": "127.0.0.1", "loop6.keyward.test": "::1", "mapped.keyward.test": "::ffff:127.0.0.1",
                   "meta.keyward.test": "169.254.169.254", "ecs.keyward.test": "169.254.170.2", "alibaba.keyward.test": "100.100.100.200",
                   "nitro.keyward.test": "fd00:ec2::254", "zero.keyward.test": "0.0.0.0", "own.keyward.test": self.own}
        sandbox = Local(self.world.machine, self.world.pki, label="rebinding",
                        endpoints=[endpoint(name, self.port, self.own) for name in aliases])
        for name, address in aliases.items():
            sandbox.options += ["--host-alias", f"{name}={address}"]
        self.assertEqual(self.statuses(sandbox, aliases), dict.fromkeys(aliases, 403))
        self.assertEqual(self.visitors, [])

    def test_addresses_in_every_spelling(self):
        named = ("127.0.0.1", "169.254.169.254", "localhost", self.own)
        sandbox = Local(self.world.machine, self.world.pki, label="spelling",
                        endpoints=[endpoint(host, self.port, self.own) for host in named])
        hosts = dict.fromkeys(LOOPBACK + METADATA + (self.own, "[::1]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]"))
        for host, status in self.statuses(sandbox, hosts).items():
            with self.subTest(host):
                self.assertIn(status, (400, 403, 502))
        self.assertEqual(self.visitors, [])

    def test_ranges_that_would_open_them_are_refused(self):
        for wide in ("127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/0", "::/0", "fe80::/10"):
            with self.subTest(wide):
                sandbox = Local(self.world.machine, self.world.pki, label="wide",
                                endpoints=[endpoint("a.keyward.test", 443, self.own, allowed_ips=[wide])])
                done = sandbox.run("/bin/echo", "STARTED")
                self.assertEqual((done.returncode, done.stdout), (125, ""), done.stderr)
                self.assertIn("stay closed", done.stderr)
