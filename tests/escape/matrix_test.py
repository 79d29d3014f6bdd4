#!/usr/bin/python3
"""The attack matrix: each probe works outside, where the layer is absent, and fails inside a sandbox.

usage: matrix_test.py DRIVER   (tests/isolation/sandbox_driver.cpp); exit 77 where namespaces are not to be had
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import probes  # noqa: E402

CANARY = "CANARY-" + "ESCAPE"
USER = "61235"
# As its control a probe runs as root, but for these: what root may do anyway proves nothing there.
AS_USER = {"A23"}
# The layer that a control goes without is made by hand.
COVERED = {"A22"}


class World:
    """What there is to steal, outside."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(dir="/opt")
        os.chmod(self.folder, 0o755)
        self.auth, self.volume = os.path.join(self.folder, "auth"), os.path.join(self.folder, "volume")
        for path in (self.auth, self.volume):
            os.mkdir(path, 0o755)
        self.secret = os.path.join(self.auth, "token")
        with open(self.secret, "w", encoding="ascii") as f:
            f.write(CANARY)
        self.rotate()
        self.victim = subprocess.Popen(["/usr/bin/python3", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE,
                                       env={"CANARY": CANARY})
        self.listeners = [self.serve(socket.AF_UNIX, os.path.join(self.auth, "agent.sock")),
                          self.serve(socket.AF_UNIX, f"\0keyward-escape-{os.getpid()}"), self.serve(socket.AF_INET, ("127.0.0.1", 0))]
        os.chmod(os.path.join(self.auth, "agent.sock"), 0o777)
        self.rotating = True
        threading.Thread(target=self.keep_rotating, daemon=True).start()

    def serve(self, family, address):
        listener = socket.socket(family)
        listener.bind(address)
        listener.listen(16)

        def answer():
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                try:
                    connection.sendall(CANARY.encode())
                except OSError:
                    pass
                connection.close()
        threading.Thread(target=answer, daemon=True).start()
        return listener

    def rotate(self):
        """As a kubelet does it: token -> ..data/token, ..data -> a new directory, renamed over the old link."""
        version = tempfile.mkdtemp(prefix="..", dir=self.volume)
        os.chmod(version, 0o755)
        with open(os.path.join(version, "token"), "w", encoding="ascii") as f:
            f.write(CANARY)
        link, data = os.path.join(self.volume, "..new"), os.path.join(self.volume, "..data")
        old = os.path.realpath(data) if os.path.islink(data) else None
        os.symlink(os.path.basename(version), link)
        os.rename(link, data)
        token = os.path.join(self.volume, "token")
        if not os.path.islink(token):
            os.symlink("..data/token", token)
        if old:
            shutil.rmtree(old)

    def keep_rotating(self):
        while self.rotating:
            self.rotate()
            time.sleep(0.05)

    def arguments(self, outside):
        return json.dumps({"outside": outside, "victim": self.victim.pid, "secret": self.secret, "rotating": os.path.join(self.volume, "token"),
                           "socket": os.path.join(self.auth, "agent.sock"), "abstract": f"keyward-escape-{os.getpid()}",
                           "port": self.listeners[2].getsockname()[1]})

    def close(self):
        self.rotating = False
        time.sleep(0.2)
        for listener in self.listeners:
            listener.close()
        self.victim.stdin.close()
        self.victim.wait()
        shutil.rmtree(self.folder)


def probe_command(name, world, outside):
    # The program's text travels as an argument: the sandbox need not see this file.
    with open(probes.__file__, encoding="utf-8") as f:
        return ["/usr/bin/python3", "-c", f.read(), name, world.arguments(outside)]


def outcome(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)
    try:
        return json.loads(done.stdout.splitlines()[-1])["outcome"]
    except (IndexError, ValueError, KeyError):
        return f"no answer: {done.stdout[-200:]}{done.stderr[-600:]}"


def inside(driver, name, world):
    fd = os.open(world.auth, os.O_PATH | os.O_DIRECTORY)
    try:
        return outcome([driver, "--user", USER, "--hide", world.secret, "--hide", world.volume, "--", *probe_command(name, world, False)],
                       pass_fds=[fd], stdin=subprocess.DEVNULL)
    finally:
        os.close(fd)


def outside(name, world):
    command = probe_command(name, world, True)
    fd = os.open(world.auth, os.O_PATH | os.O_DIRECTORY)
    try:
        if name in COVERED:
            command = ["unshare", "-m", "sh", "-c", f"mount -t tmpfs none {world.auth} && exec \"$@\"", "sh", *command]
        if name in AS_USER:
            command = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", *command]
        return outcome(command, pass_fds=[fd], stdin=subprocess.DEVNULL)
    finally:
        os.close(fd)


def main(driver):
    if os.geteuid() != 0 or subprocess.run(["unshare", "-mnpf", "true"], capture_output=True, check=False).returncode != 0:
        print("SKIPPED: needs root and namespaces")
        return 77
    world, failed = World(), 0
    try:
        print("attack  outside    inside")
        for name in probes.PROBES:
            control, result = outside(name, world), inside(driver, name, world)
            good = control == "leaked" and result == "contained"
            failed += not good
            print(f"{name:7} {control:10} {result:10} {'ok' if good else 'NOT AS IT SHOULD BE'}", flush=True)
    finally:
        world.close()
    print(f"{len(probes.PROBES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
