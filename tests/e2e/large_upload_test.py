"""5 GiB, the most that S3 takes in one request, in little memory: with --all."""
import json
import os
import re
import socket
import subprocess

from e2e.suite import Case
from e2e.support.chunk_client import ChunkClient
from e2e.support.machine import ROOT
from e2e.support.programs import RAW, REGION_ENV
from e2e.support.sigv4_proxy import Proxy, curl
from e2e.support.world import BUCKET

SIZE, MIB = 5 << 30, 1 << 20
KEY = "five-gib"
WORD = b"Keyward!"
CHUNKS = (1 << 14, 1 << 17)  # words: chunks of 128 KiB keep their boundaries, those of 1 MiB do not


class LargeUploadTest(Case):
    slow = True
    limit = 1800
    PROGRAM = RAW + """
from e2e.support.chunk_client import ChunkClient
host, port, path, word, words, count = json.loads(sys.argv[1])
connection = secure(tunnel(host, port, 600)[0], host)
for data in ChunkClient(ACCESS, SECRET, host=f"{host}:{port}").stream(path, word.encode() * words, count):
    connection.sendall(data)
status, _, answer = answer_of(connection)
assert status == 200, (status, answer)
"""

    def setUp(self):
        self.path = os.path.join(self.world.judge.data, BUCKET, KEY)

    def tearDown(self):
        if os.path.exists(self.path):
            os.remove(self.path)

    def stored(self, block):
        """The object is `block` again and again, to its end."""
        self.assertEqual(os.path.getsize(self.path), SIZE)
        with open(self.path, "rb") as file:
            self.assertTrue(all(file.read(len(block)) == block for _ in range(SIZE // len(block))), "the object is another one")

    def inside(self, *program):
        """Runs to its end. The supervisor's own memory stays small, whatever the program's does."""
        here = self.world.machine.share(os.path.join(ROOT, "tests/e2e"), "tests/e2e")
        process = self.world.local_for(self.world.judge, label="large").start(
            *program, options=[*REGION_ENV, "--env", f"PYTHONPATH={os.path.dirname(here)}"])
        peak = 0
        while True:
            try:
                _, errors = process.communicate(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
                    peak = int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) * 1024
        self.assertEqual(process.returncode, 0, errors[-2000:])
        self.assertGreater(peak, 0)
        self.assertLess(peak, 60 * MIB)

    def test_signed_chunks_inside(self):
        judge = self.world.judge
        for words in CHUNKS:
            block = WORD * words
            with self.subTest(chunk=len(block)):
                self.inside("/usr/bin/python3", "-c", self.PROGRAM,
                            json.dumps([judge.name, judge.port, f"/{BUCKET}/{KEY}", WORD.decode(), words, SIZE // len(block)]))
                self.stored(block)

    def test_multipart_inside(self):
        judge = self.world.judge
        self.inside("/bin/bash", "-euo", "pipefail", "-c", f"head -c {SIZE} /dev/zero | aws --endpoint-url https://{judge.name}:{judge.port} "
                    f"s3 cp --expected-size {SIZE} - s3://{BUCKET}/{KEY}")
        self.stored(bytes(MIB))

    def proxy(self, *options):
        judge = self.world.judge
        return Proxy(self.world.machine, f"http://{judge.plain_name}:{judge.plain_port}", "--host-alias",
                     f"{judge.plain_name}={self.world.machine.network().there}", *options).wait_ready()

    def test_unsigned_through_sigv4_proxy(self):
        proxy = self.proxy()
        try:
            zeros = self.world.machine.write("zeros", b"")
            os.truncate(zeros, SIZE)
            self.assertEqual(curl(proxy.url(f"/{BUCKET}/{KEY}"), "-m", "1500", "-T", zeros).status, 200)
            self.stored(bytes(MIB))
            self.assertLess(proxy.peak_rss(), 20 * MIB)
        finally:
            proxy.stop()

    def test_signed_chunks_through_sigv4_proxy(self):
        keys = self.world.machine.write("large.toml", '[clients.AKIACLIENT]\nsecret_access_key = "client-secret"\n')
        proxy = self.proxy("--verify-chunks", keys)
        try:
            for words in CHUNKS:
                block = WORD * words
                with self.subTest(chunk=len(block)), socket.create_connection(("127.0.0.1", proxy.port), 600) as client:
                    for data in ChunkClient("AKIACLIENT", "client-secret").stream(f"/{BUCKET}/{KEY}", block, SIZE // len(block)):
                        client.sendall(data)
                    self.assertEqual(client.recv(65536)[:12], b"HTTP/1.1 200")
                    self.stored(block)
            self.assertLess(proxy.peak_rss(), 20 * MIB)
        finally:
            proxy.stop()
