#!/usr/bin/env python3
"""Looks for secrets wherever it can read: files, /proc, process memory, sockets.  Run as the sandbox's program, and outside as
the control.

usage: canary.py ROOTS(comma list) < HEX-NEEDLES(one `name hex` per line)
Prints `found NAME WHERE` for each find, then `looked FILES SOCKETS MEMORY-REGIONS`.
The needles come as hex with each byte flipped, so that this program's own memory and input do not hold them.
"""
import os
import re
import socket
import stat
import sys

CHUNK, OVERLAP = 1 << 20, 512
SKIPPED = ("/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/", "/sys/")
ENDLESS = re.compile(r"/proc/(kmsg|kcore|sysrq-trigger|\d+/task/\d+/mem|\d+/mem|acpi|.*pagemap|.*clear_refs)|/dev/(u?random|zero|full|tty|ptmx|console|core)")


def needles():
    for line in sys.stdin.read().split("\n"):
        if line:
            name, flipped = line.split()
            yield name, bytes.fromhex(flipped)


WANTED = list(needles())
FLIP = bytes(byte ^ 0xFF for byte in range(256))


def search(data, where):
    """Flips what was read instead of the needle: the needle itself never exists in this process."""
    flipped = data.translate(FLIP)
    for name, needle in WANTED:
        if needle in flipped:
            print("found", name, where, flush=True)


def read_file(path, limit=64 << 20):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return 0
    tail, total = b"", 0
    try:
        while total < limit and (data := os.read(fd, CHUNK)):
            search(tail + data, path)
            tail, total = data[-OVERLAP:], total + len(data)
    except OSError:
        pass
    finally:
        os.close(fd)
    return 1


def try_socket(path):
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_UNIX, kind) as s:
            s.settimeout(0.5)
            try:
                s.connect(path)
                s.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                search(s.recv(65536), f"socket {path}")
            except OSError:
                continue
    return 1


def read_memory(pid):
    regions = 0
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in maps:
                bounds, flags = line.split()[:2]
                if not flags.startswith("r") or "[v" in line:
                    continue
                start, end = (int(part, 16) for part in bounds.split("-"))
                regions += 1
                for at in range(start, min(end, start + (256 << 20)), CHUNK):
                    try:
                        memory.seek(at)
                        search(memory.read(min(CHUNK + OVERLAP, end - at)), f"memory of {pid} at {at:x}")
                    except (OSError, OverflowError):
                        break
    except OSError:
        pass
    return regions


def main():
    files = sockets = regions = 0
    for root in sys.argv[1].split(","):
        for folder, folders, names in os.walk(root, followlinks=False):
            folders[:] = [name for name in folders if not (os.path.join(folder, name) + "/").startswith(SKIPPED)]
            for name in names:
                path = os.path.join(folder, name)
                try:
                    mode = os.lstat(path).st_mode
                except OSError:
                    continue
                if stat.S_ISSOCK(mode):
                    sockets += try_socket(path)
                elif (stat.S_ISREG(mode) or stat.S_ISCHR(mode)) and not ENDLESS.match(path):
                    files += read_file(path)
    try:
        with open("/proc/net/unix") as unix:
            for line in unix.readlines()[1:]:
                name = line.split()[-1]
                if name.startswith("@"):
                    sockets += try_socket("\0" + name[1:])
    except OSError:
        pass
    chosen = sys.argv[2].split(",") if len(sys.argv) > 2 else [pid for pid in os.listdir("/proc") if pid.isdigit()]
    for pid in chosen:
        files += read_file(f"/proc/{pid}/environ") + read_file(f"/proc/{pid}/cmdline")
        regions += read_memory(pid)
    print("looked", files, sockets, regions)


main()
