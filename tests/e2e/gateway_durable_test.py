"""What the gateway answers is on disk before the answer leaves: read from its system calls."""
import itertools
import os
import re
import subprocess
import tempfile

from e2e.suite import Case
from e2e.support.keyward import ENVIRONMENT, SUPERVISOR, Gateway
from e2e.support.machine import wait_until

TOKEN = "eyJ"  # how every token begins
ANSWERED = "grpc-status"  # in the first answer of each connection


def first_sent(lines, marker):
    return next((n for n, line in enumerate(lines) if "sendmsg(" in line and marker in line), None)


def synced(lines, start, end):
    """True when an fdatasync of the write-ahead log began after `start` and was done before `end`."""
    waiting = set()
    for line in lines[start + 1:end]:
        thread = line.split()[0]
        if re.search(r"f(data)?sync\(\d+<[^>]*-wal>", line):
            if re.search(r"\)\s+= 0$", line):
                return True
            waiting.add(thread)
        elif thread in waiting and re.search(r"f(data)?sync resumed>\)\s+= 0$", line):
            return True
    return False


class GatewayDurableTest(Case):
    number = itertools.count()

    def setUp(self):
        self.gateway = Gateway(self.world.machine, f"durable-{next(self.number)}", 17683, options=["--plaintext-loopback"]).start()
        self.addCleanup(self.gateway.stop)
        self.gateway.must("sandbox", "create", "durable", "--operator-socket", self.gateway.socket)

    def synced_before_the_answer(self, act, marker):
        """`act` is answered with `marker` in it: what was written before that was on disk when it left."""
        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, "trace")
            tracer = subprocess.Popen(["strace", "-f", "-y", "-s", "4096", "-e", "trace=pwrite64,fsync,fdatasync,sendmsg", "-o", trace,
                                       "-p", str(self.gateway.process.pid)], stderr=subprocess.PIPE, text=True)
            self.addCleanup(tracer.stderr.close)
            self.assertIn("attached", tracer.stderr.readline())
            act()
            wait_until(lambda: os.path.exists(trace) and marker in open(trace, encoding="utf-8", errors="replace").read(), 20, "the answer")
            tracer.terminate()
            tracer.wait(10)
            with open(trace, encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
        sent = first_sent(lines, marker)
        self.assertIsNotNone(sent)
        writes = [n for n, line in enumerate(lines[:sent]) if re.search(r"pwrite64\(\d+<[^>]*-wal>", line)]
        self.assertTrue(writes, "nothing was written before the answer")
        self.assertTrue(synced(lines, writes[-1], sent), "the answer left before the log was synced")

    def token(self):
        return self.gateway.must("sandbox", "token", "durable", "--operator-socket", self.gateway.socket)

    def test_a_token_leaves_after_its_record_is_on_disk(self):
        self.synced_before_the_answer(self.token, TOKEN)

    def test_a_refreshed_token_leaves_after_the_old_one_is_dead_on_disk(self):
        file = os.path.join(self.world.machine.folder("durable-refresh", 0o700), "token")
        with open(file, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(self.token())

        def refresh():
            environment = {**ENVIRONMENT, "OPENSHELL_ENDPOINT": f"http://127.0.0.1:{self.gateway.port}", "OPENSHELL_SANDBOX_TOKEN_FILE": file}
            done = subprocess.run([SUPERVISOR, "debug-rpc", "refresh"], capture_output=True, text=True, env=environment, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.synced_before_the_answer(refresh, TOKEN)

    def test_a_deletion_is_answered_after_it_is_on_disk(self):
        # The end of the connection's only answer.
        self.synced_before_the_answer(
            lambda: self.gateway.must("sandbox", "delete", "durable", "--operator-socket", self.gateway.socket), ANSWERED)
