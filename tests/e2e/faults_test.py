"""A hostile child and a killed supervisor: others are served, and nothing of the sandbox outlives it."""
import os
import signal
import subprocess

from e2e.suite import Case
from e2e.support.keyward import ENVIRONMENT, Local, endpoint
from e2e.support.machine import wait_until
from e2e.support.programs import BOTO3, RAW, REGION_ENV

ENDPOINT = "https://judge.keyward.test:7443"

FLOOD = RAW + """
import resource, threading, time
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
held = []
def half(kind, count):
    for n in range(count):
        try:
            s = socket.create_connection((PROXY.hostname, PROXY.port), 5)
            if kind == "half a head":
                s.sendall(b"CONNECT judge.keyward.test:7443 HTTP/1.1\\r\\nHost: ")
            elif kind == "no hello":
                s.sendall(b"CONNECT judge.keyward.test:7443 HTTP/1.1\\r\\nHost: judge.keyward.test:7443\\r\\n\\r\\n")
            elif kind == "half a hello":
                s.sendall(b"CONNECT judge.keyward.test:7443 HTTP/1.1\\r\\nHost: judge.keyward.test:7443\\r\\n\\r\\n\\x16\\x03\\x01\\x02\\x00\\x01")
            held.append(s)
        except OSError:
            pass
threads = [threading.Thread(target=half, args=(kind, 300)) for kind in ("silence", "half a head", "no hello", "half a hello")]
[t.start() for t in threads]
[t.join() for t in threads]
print("flooded", len(held), flush=True)
digest = hashlib.sha256(b"").hexdigest()
worst = 0
for n in range(20):
    started = time.monotonic()
    headers = sign("GET", "judge.keyward.test:7443", "/demo/", "list-type=2", digest, {})
    status, _, answer = request("judge.keyward.test", 7443, "GET", "/demo/", headers, query="list-type=2")
    assert status == 200, (n, status, answer[:200])
    worst = max(worst, time.monotonic() - started)
print("served 20, worst", round(worst, 2), "s", flush=True)
"""

# An https server that reads a request and never answers.
MUTE = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
listener = socket.create_server((sys.argv[1], 7555))
while True:
    try:
        connection = context.wrap_socket(listener.accept()[0], server_side=True)
        print("request", connection.recv(65536)[:20], flush=True)
        connection.recv(65536)
    except OSError:
        pass
"""


def pids_below(pid):
    """Every live descendant of a process, as the kernel lists them."""
    found, queue = [], [pid]
    while queue:
        parent = queue.pop()
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children") as file:
                    children = [int(child) for child in file.read().split()]
                found += children
                queue += children
        except OSError:
            continue
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class FaultsTest(Case):
    def setUp(self):
        self.sandbox = self.world.local_for(self.world.judge, label="faults")

    def test_a_flood_of_half_requests_leaves_others_served(self):
        out = self.ended_well(self.sandbox.python(FLOOD, options=REGION_ENV, timeout=300))
        self.assertIn("served 20", out)

    def test_another_client_is_served_during_a_flood_from_a_second_process(self):
        out = self.ended_well(self.sandbox.shell("""
          python3 -c "$FLOODER" & flooder=$!
          sleep 1
          for n in 1 2 3 4 5; do aws --endpoint-url https://judge.keyward.test:7443 s3 ls s3://demo/ >/dev/null && echo served; done
          wait $flooder""", options=(*REGION_ENV, "--env", "FLOODER=" + FLOOD), timeout=300))
        self.assertEqual(out.count("served\n"), 5, out)

    def start_request(self):
        process = self.sandbox.start("/usr/bin/python3", "-uc", BOTO3 + """
class Endless(io.RawIOBase):
    def __init__(self):
        self.sent = 0
    def readable(self):
        return True
    def seekable(self):
        return True
    def seek(self, where, whence=0):
        self.sent = where if whence == 0 else (1 << 33)
        return self.sent
    def tell(self):
        return self.sent
    def read(self, n=-1):
        if self.sent > 4 << 20 and self.sent < (4 << 20) + (1 << 20):
            print("under way", flush=True)
        self.sent += 65536
        import time
        time.sleep(0.005)
        return b"x" * 65536
import time
s3 = client(s3={"payload_signing_enabled": False})
print("started", flush=True)
s3.put_object(Bucket=bucket, Key="endless", Body=Endless(), ContentLength=1 << 33)
""", ENDPOINT, "demo", options=REGION_ENV)
        self.assertEqual(process.stdout.readline(), "started\n")
        self.assertEqual(process.stdout.readline(), "under way\n", "" if process.poll() is None else process.stderr.read())
        return process

    def test_supervisor_killed_during_a_request(self):
        process = self.start_request()
        family = pids_below(process.pid)
        self.assertGreaterEqual(len(family), 2, "launcher, init and the program")
        process.kill()
        process.wait()
        wait_until(lambda: not any(map(alive, family)), 10, "the sandbox's end")
        self.assertIsNone(self.world.judge.stored("demo", "endless"))

    def test_launcher_killed_during_a_request(self):
        process = self.start_request()
        family = pids_below(process.pid)
        os.kill(family[0], signal.SIGKILL)
        self.assertNotEqual(process.wait(20), 0)
        wait_until(lambda: not any(map(alive, family)), 10, "the sandbox's end")

    def test_upstream_that_dies_during_a_request(self):
        machine = self.world.machine
        certificate, key = self.world.pki.issue("mortal.keyward.test")
        server = machine.start("mortal", ["/usr/bin/python3", "-c", MUTE, machine.network().there, certificate, key], inside=True)
        wait_until(lambda: machine.network().listens(7555), 10, "the mortal server")
        sandbox = Local(machine, self.world.pki, names=["mortal.keyward.test"], label="mortal",
                        endpoints=[endpoint("mortal.keyward.test", 7555, machine.network().there, protocol="rest", access="full")])
        process = sandbox.start("/usr/bin/curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "60",
                                "https://mortal.keyward.test:7555/")
        wait_until(lambda: "request" in open(machine.log("mortal"), encoding="utf-8").read(), 20, "the request")
        machine.stop(server)
        self.assertIn("502", process.communicate(timeout=60)[0])


class SignalsTest(Case):
    """The program's end is the supervisor's, and the supervisor's signals are the program's."""

    def setUp(self):
        self.sandbox = self.world.local_for(self.world.judge, label="signals")

    def test_exit_codes(self):
        for script, code in (("exit 0", 0), ("exit 1", 1), ("exit 42", 42), ("kill -TERM $$", 143), ("kill -KILL $$", 137),
                             ("kill -SEGV $$", 139)):
            with self.subTest(script):
                self.assertEqual(self.sandbox.run("/bin/sh", "-c", script).returncode, code)

    def test_term_is_passed_on(self):
        process = self.sandbox.start("/bin/bash", "-c", "trap 'echo got term; exit 7' TERM; echo ready; while :; do sleep 0.1; done")
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.terminate()
        out, _ = process.communicate(timeout=30)
        self.assertEqual((out, process.returncode), ("got term\n", 7))

    def test_a_program_that_ignores_term_is_killed_after_the_grace(self):
        process = self.sandbox.start("/bin/bash", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done", options=("--grace", "1"))
        self.assertEqual(process.stdout.readline(), "ready\n")
        family = pids_below(process.pid)
        process.terminate()
        self.assertEqual(process.wait(30), 137)
        self.assertFalse(any(map(alive, family)))

    def test_orphans_are_reaped_and_end_with_the_sandbox(self):
        done = self.sandbox.shell("for n in 1 2 3 4 5; do (sleep 300 &) ; done; (exit 3) & sleep 0.3; ps -eo stat= | grep -c Z || true")
        self.assertEqual(self.ended_well(done).strip(), "0")

    def test_standard_streams_pass_through(self):
        done = subprocess.run(self.sandbox.command("/bin/cat"), input="through\n", capture_output=True, text=True, timeout=30,
                              env=ENVIRONMENT)
        self.assertEqual((done.stdout, done.returncode), ("through\n", 0), done.stderr)
