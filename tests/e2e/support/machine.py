"""The work folder of one run, its processes and the network namespace of its servers; all of it is gone after close()."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
CACHE = os.environ.get("KEYWARD_CACHE", os.path.expanduser("~/.cache/keyward"))
LOGS = os.path.join(ROOT, "build-tests")


def wait_until(ready, seconds, what):
    """Polls ready() until it is true; a limit in time, never a fixed sleep."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Machine:
    """Folders: `secrets` (0700, what the sandbox must not see), `shared` (what it may read), `logs`."""

    def __init__(self):
        self.work = tempfile.mkdtemp(prefix="keyward-e2e-", dir="/var/tmp")
        os.chmod(self.work, 0o755)
        self.secrets, self.shared = self.folder("secrets", 0o700), self.folder("shared", 0o755)
        self.logs = os.path.join(LOGS, "e2e")
        os.makedirs(self.logs, exist_ok=True)
        self.processes = []
        self.namespace = None

    def folder(self, name, mode=0o755):
        path = os.path.join(self.work, name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        return path

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.work, name)
        with open(path, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def share(self, source, name):
        """A copy where the sandbox can read it: what is kept may lie in a home folder that it cannot enter."""
        target = os.path.join(self.shared, name)
        if not os.path.exists(target):
            copy = shutil.copytree if os.path.isdir(source) else shutil.copy
            copy(source, target)
        return target

    def log(self, name):
        return os.path.join(self.logs, name + ".log")

    def start(self, name, command, inside=False, env=None, cwd=None):
        """A background process; inside=True runs it in the servers' namespace."""
        if inside:
            command = ["ip", "netns", "exec", self.network().name, *command]
        with open(self.log(name), "ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                       env={**os.environ, **(env or {})}, start_new_session=True, cwd=cwd)
        self.processes.append(process)
        return process

    def stop(self, process, patience=3):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        if process in self.processes:
            self.processes.remove(process)

    def network(self):
        if self.namespace is None:
            self.namespace = Network()
        return self.namespace

    def close(self):
        for process in list(self.processes):
            self.stop(process, 1)
        if self.namespace:
            self.namespace.close()
        shutil.rmtree(self.work, ignore_errors=True)


class Network:
    """A namespace with one private address, reached from here over a veth pair: servers that are not loopback."""

    def __init__(self):
        number = os.getpid() % 16000
        self.name, self.veth = f"kwe2e-{os.getpid()}", f"kwe{os.getpid()}"
        self.subnet = f"10.231.{number // 64}.{number % 64 * 4}/30"
        first = number % 64 * 4
        self.here, self.there = (f"10.231.{number // 64}.{first + n}" for n in (1, 2))
        ip("netns", "add", self.name)
        ip("link", "add", self.veth, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("addr", "add", self.here + "/30", "dev", self.veth)
        ip("link", "set", self.veth, "up")
        for command in (["addr", "add", self.there + "/30", "dev", "eth0"], ["link", "set", "eth0", "up"],
                        ["link", "set", "lo", "up"]):
            ip("-n", self.name, *command)

    def listens(self, port):
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.there, port)) == 0

    def close(self):
        for pid in subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True).stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        subprocess.run(["ip", "link", "del", self.veth], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "del", self.name], stderr=subprocess.DEVNULL)


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
