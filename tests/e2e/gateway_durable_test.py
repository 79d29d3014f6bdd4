"""What the gateway answers is on disk before the answer leaves: read from its system calls."""
import os
import re
import subprocess
import tempfile

from e2e.suite import Case
from e2e.support.keyward import Gateway
from e2e.support.machine import wait_until

TOKEN = "eyJ"  # how every token begins


def first_token_sent(lines):
    return next((n for n, line in enumerate(lines) if "sendmsg(" in line and TOKEN in line), None)


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
    def test_a_token_leaves_after_its_record_is_on_disk(self):
        gateway = Gateway(self.world.machine, "durable", 17683).start()
        self.addCleanup(gateway.stop)
        gateway.must("sandbox", "create", "durable", "--operator-socket", gateway.socket)
        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, "trace")
            tracer = subprocess.Popen(["strace", "-f", "-y", "-s", "4096", "-e", "trace=pwrite64,fsync,fdatasync,sendmsg", "-o", trace,
                                       "-p", str(gateway.process.pid)], stderr=subprocess.PIPE, text=True)
            self.addCleanup(tracer.stderr.close)
            self.assertIn("attached", tracer.stderr.readline())
            gateway.must("sandbox", "token", "durable", "--operator-socket", gateway.socket)
            wait_until(lambda: os.path.exists(trace) and TOKEN in open(trace, encoding="utf-8", errors="replace").read(), 20, "the answer")
            tracer.terminate()
            tracer.wait(10)
            with open(trace, encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
        sent = first_token_sent(lines)
        self.assertIsNotNone(sent)
        writes = [n for n, line in enumerate(lines[:sent]) if re.search(r"pwrite64\(\d+<[^>]*-wal>", line)]
        self.assertTrue(writes, "nothing was written before the answer")
        self.assertTrue(synced(lines, writes[-1], sent), "the answer left before the log was synced")
