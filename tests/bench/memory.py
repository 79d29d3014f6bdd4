#!/usr/bin/env python3
"""Memory of the supervisor: idle, and at its peak during one PutObject of 1 GiB in each payload mode to a slow upstream.

usage: memory.py [MIB [MIB-PER-SECOND]]
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from e2e.support.keyward import SIGNING, Local, endpoint  # noqa: E402
from e2e.support.machine import Machine, wait_until  # noqa: E402
from e2e.support.pki import Pki  # noqa: E402
from e2e.support.programs import RAW, REGION_ENV  # noqa: E402
from e2e.support.tools import PYTHON  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
NAME, PORT = "slow.keyward.test", 7999

CHILD = RAW + """
import zlib, base64
mode, size = sys.argv[1], int(sys.argv[2]) << 20
block = b"k" * 65536
blocks = size // len(block)
crc, digest = 0, hashlib.sha256()
for _ in range(blocks):
    crc = zlib.crc32(block, crc)
    digest.update(block)
host = "slow.keyward.test:7999"
payload = digest.hexdigest() if mode == "hex" else mode
extra, frame, tail = {"content-length": str(size)}, b"", b""
if mode == "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
    frame = b"%x\\r\\n" % len(block)
    tail = b"0\\r\\nx-amz-checksum-crc32:" + base64.b64encode(crc.to_bytes(4, "big")) + b"\\r\\n\\r\\n"
    extra = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(size), "x-amz-trailer": "x-amz-checksum-crc32",
             "content-length": str((len(frame) + len(block) + 2) * blocks + len(tail))}
headers = sign("PUT", host, "/bucket/big", "", payload, extra)
raw, status, answer = tunnel("slow.keyward.test", 7999)
connection = secure(raw, "slow.keyward.test")
connection.settimeout(600)
connection.sendall(("PUT /bucket/big HTTP/1.1\\r\\n" + "".join(f"{n}: {v}\\r\\n" for n, v in headers.items()) + "\\r\\n").encode())
for _ in range(blocks):
    connection.sendall(frame + block + (b"\\r\\n" if frame else b""))
connection.sendall(tail)
print(answer_of(connection)[0], flush=True)
"""


def status_of(pid, field):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(field + ":"))


def main():
    mib, rate = (int(sys.argv[n]) if len(sys.argv) > n else default for n, default in ((1, 1024), (2, 100)))
    machine = Machine()
    try:
        pki = Pki(machine.folder("pki"))
        certificate, key = pki.issue(NAME)
        address = machine.network().there
        machine.start("slow", [PYTHON, os.path.join(HERE, "slow_origin.py"), address, str(PORT), certificate, key, str(rate)], inside=True)
        wait_until(lambda: machine.network().listens(PORT), 10, "slow origin")
        local = Local(machine, pki, [NAME], [endpoint(NAME, PORT, address, **SIGNING)], [f"{NAME}:{PORT}"], "memory")
        idle = local.start("/bin/sh", "-c", "echo ready; sleep 3")
        idle.stdout.readline()
        time.sleep(1)
        print(f"memory: idle {status_of(idle.pid, 'VmRSS'):.1f} MiB (supervisor alone)", flush=True)
        idle.wait()
        for mode in ("hex", "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"):
            child = local.start("/usr/bin/python3", "-c", CHILD, mode, str(mib), options=REGION_ENV)
            peak, started = 0.0, time.monotonic()
            while child.poll() is None:
                try:
                    peak = max(peak, status_of(child.pid, "VmHWM"))
                except (OSError, StopIteration):
                    break
                time.sleep(0.1)
            out, errors = child.communicate()
            note = "" if out.strip() == "200" else f" NOT 200: {out.strip()} {errors[-300:]}"
            print(f"memory: PutObject of {mib} MiB, {mode}: peak {peak:.1f} MiB, {time.monotonic() - started:.0f} s at {rate} MiB/s{note}",
                  flush=True)
    finally:
        machine.close()


main()
