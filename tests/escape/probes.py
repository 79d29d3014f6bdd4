"""Attempts to get out of a sandbox or to look into what it hides; one function an attack, run inside and, as its control, outside.

Each returns True when the attempt worked.  `a` is what the harness prepared outside: pids, paths, ports.  Only the standard
library, since it runs with whatever the sandbox shows.
"""
import ctypes
import json
import os
import socket
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
CANARY = b"CANARY-" + b"ESCAPE"  # in two pieces, so that this file's own memory does not hold it
SYS_UNSHARE, SYS_UMOUNT2, SYS_SOCKET, SYS_SENDTO, SYS_IO_URING_SETUP, SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 272, 166, 41, 44, 425, 434, 438
CLONE_NEWNS, CLONE_NEWUSER, MNT_DETACH, MSG_FASTOPEN, AF_VSOCK = 0x20000, 0x10000000, 2, 0x20000000, 40


def call(number, *arguments):
    ctypes.set_errno(0)
    return libc.syscall(number, *[a if isinstance(a, (bytes, ctypes.Array)) else ctypes.c_long(a) for a in arguments])


def holds_canary(path):
    try:
        with open(path, "rb") as f:
            return CANARY in f.read(1 << 20)
    except OSError:
        return False


def pids():
    return [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def a01_environment_of_other_processes(a):
    return any(holds_canary(f"/proc/{pid}/environ") for pid in pids())


def a04_root_of_other_processes(a):
    return any(holds_canary(f"/proc/{pid}/root{a['secret']}") for pid in pids())


def a07_memory_of_other_processes(a):
    for pid in pids():
        if pid == "1" and not a["outside"]:
            continue
        try:
            os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))
            with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
                if "python3" in f.read() or a["outside"]:
                    return True
        except OSError:
            continue
    return False


def a10_descriptors_of_other_processes(a):
    pidfd = call(SYS_PIDFD_OPEN, a["victim"], 0)
    return pidfd >= 0 and any(call(SYS_PIDFD_GETFD, pidfd, fd, 0) >= 0 for fd in range(64))


def a19_socket_by_path(a):
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(a["socket"])
            return s.recv(64) == CANARY
        except OSError:
            return False


def a20_abstract_socket(a):
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect("\0" + a["abstract"])
            return s.recv(64) == CANARY
        except OSError:
            return False


def a22_unmount_the_cover(a):
    return call(SYS_UMOUNT2, os.path.dirname(a["secret"]).encode(), MNT_DETACH) == 0 and holds_canary(a["secret"])


def a23_user_namespace(a):
    if os.fork() == 0:
        os._exit(0 if call(SYS_UNSHARE, CLONE_NEWUSER | CLONE_NEWNS) == 0 else 1)
    return os.wait()[1] == 0


def a24_inherited_descriptors(a):
    for fd in range(3, 1024):
        try:
            os.close(os.open("token", os.O_RDONLY, dir_fd=fd))
            return True
        except OSError:
            continue
    return False


def a27_rotation_of_the_secret(a):
    end = time.monotonic() + 3
    while time.monotonic() < end:
        if holds_canary(a["rotating"]):
            return True
        time.sleep(0.01)
    return False


def a38_capabilities(a):
    with open("/proc/self/status", encoding="ascii") as f:
        sets = [line.split()[1] for line in f if line.startswith("Cap")]
    return any(int(value, 16) for value in sets)


def a45_high_bits_of_an_argument(a):
    return call(SYS_SOCKET, (1 << 32) | AF_VSOCK, 1, 0) >= 0


def a46_io_uring(a):
    parameters = ctypes.create_string_buffer(120)
    return call(SYS_IO_URING_SETUP, 1, parameters) >= 0


def a56_direct_connection(a):
    with socket.socket() as s:
        s.settimeout(2)
        return s.connect_ex(("127.0.0.1", a["port"])) == 0


def a74_fast_open(a):
    address = (socket.AF_INET).to_bytes(2, sys.byteorder) + a["port"].to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
    with socket.socket() as s:
        return call(SYS_SENDTO, s.fileno(), b"x", 1, MSG_FASTOPEN, address, 16) >= 0


PROBES = {name.split("_")[0].upper(): function for name, function in sorted(globals().items())
          if name[0] == "a" and name[1:3].isdigit()}

if __name__ == "__main__":
    arguments = json.loads(sys.argv[2])
    print(json.dumps({"id": sys.argv[1], "outcome": "leaked" if PROBES[sys.argv[1]](arguments) else "contained"}))
