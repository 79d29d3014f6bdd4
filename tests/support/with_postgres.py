"""A PostgreSQL server of the tests' own: Debian's, as its own unprivileged user, on a unix socket only.

usage: with_postgres.py PROGRAM [ARGUMENT...]
    runs PROGRAM beside a server that KEYWARD_TEST_POSTGRES names and that ends with it.  Exit status: the program's; 77 (a skipped
    test, with the reason) where PostgreSQL is not installed or there is no right to run it as its user.
"""
import glob
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SKIP, START_LIMIT = 77, 30  # START_LIMIT in seconds
DEMOTED = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=INT"]


def tools():
    return max(glob.glob("/usr/lib/postgresql/*/bin"), default=None)


def obstacle():
    """Why there can be no server; empty: there can."""
    if not tools():
        return "PostgreSQL is not installed (apt package postgresql)"
    return "" if os.geteuid() == 0 else "only root can run PostgreSQL as its own user"


class Cluster:
    """A running server; `url` reaches its database as the user that owns it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="keyward-postgres-")
        self.data, self.log = os.path.join(self.folder, "data"), os.path.join(self.folder, "log")
        self.url = f"postgresql://keyward@/postgres?host={self.folder}"
        user = pwd.getpwnam("postgres")
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.server = None
        try:
            subprocess.run([*DEMOTED, f"{tools()}/initdb", "-D", self.data, "-A", "trust", "-U", "keyward", "-E", "UTF8", "--no-locale"],
                           check=True, stdout=subprocess.DEVNULL, cwd=self.folder)
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        with open(self.log, "ab") as log:
            self.server = subprocess.Popen([*DEMOTED, f"{tools()}/postgres", "-D", self.data, "-k", self.folder, "-c",
                                            "listen_addresses="], cwd=self.folder, stdout=log, stderr=log)
        ready = [f"{tools()}/pg_isready", "-q", "-h", self.folder]
        end = time.monotonic() + START_LIMIT
        while subprocess.run(ready, check=False).returncode != 0:
            if self.server.poll() is not None or time.monotonic() > end:
                with open(self.log, encoding="utf-8") as log:
                    raise RuntimeError("PostgreSQL does not start:\n" + log.read())
            time.sleep(0.05)

    def stop(self):
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGINT)  # "fast shutdown": connections are ended
            self.server.wait()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder)


def main():
    if (why := obstacle()):
        print(f"SKIPPED: {why}")
        return SKIP
    cluster = Cluster()
    try:
        return subprocess.run(sys.argv[1:], check=False, env={**os.environ, "KEYWARD_TEST_POSTGRES": cluster.url}).returncode
    finally:
        cluster.close()


if __name__ == "__main__":
    sys.exit(main())
