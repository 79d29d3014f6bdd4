#!/usr/bin/python3
"""What isolation alone does, with real namespaces: exit codes, confinement, hiding, and no survivors when the broker is killed.

usage: sandbox_test.py DRIVER   (tests/isolation/sandbox_driver.cpp); exit 77 where namespaces are not to be had
"""
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

DRIVER = sys.argv.pop(1) if len(sys.argv) > 1 else ""
USER = "--user", "61234"


def run(*command, options=(), env=None):
    return subprocess.run([DRIVER, *USER, *options, "--", *command], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL)


def processes_with(marker):
    """The processes whose command line holds the marker, without this one and zombies."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                line = f.read()
        except OSError:
            continue
        if marker.encode() in line and int(pid) != os.getpid():
            found.append(int(pid))
    return found


def content(path):
    with open(path, "rb") as f:
        return f.read()


def gone(marker, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not processes_with(marker):
            return True
        time.sleep(0.05)
    return False


class Sandbox(unittest.TestCase):
    def test_exit_codes(self):
        for command, code in ((["true"], 0), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 137),
                              (["no-such-program"], 127), (["/etc/passwd"], 126), (["/etc"], 126)):
            with self.subTest(command=command):
                self.assertEqual(run(*command).returncode, code)

    def test_no_privilege_is_left(self):
        status = dict(line.split(":\t", 1) for line in run("cat", "/proc/self/status").stdout.splitlines() if ":\t" in line)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(status[name], "0000000000000000", name)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")
        self.assertEqual(status["Uid"].split(), ["61234"] * 4)
        self.assertEqual(status["Groups"].strip(), "")

    def test_network_is_loopback_without_a_route(self):
        self.assertEqual(run("cat", "/proc/net/route").stdout.count("\n"), 1)
        self.assertNotEqual(run("bash", "-c", "exec 3<>/dev/tcp/192.0.2.1/443").returncode, 0)

    def test_processes_outside_do_not_exist(self):
        listed = run("sh", "-c", "ls /proc | grep -c '^[0-9]'").stdout.strip()
        self.assertLessEqual(int(listed), 4)

    def test_root_is_read_only_and_home_is_not(self):
        self.assertNotEqual(run("touch", "/usr/probe").returncode, 0)
        self.assertEqual(run("sh", "-c", "cd $HOME && touch probe && touch /tmp/probe").returncode, 0)

    def test_hidden_directory_is_empty(self):
        with tempfile.TemporaryDirectory(dir="/opt") as folder:
            os.chmod(folder, 0o755)
            token = os.path.join(folder, "token")
            with open(token, "w") as f:
                f.write("CANARY-HIDDEN")
            os.chmod(token, 0o644)
            self.assertIn("CANARY", run("cat", token).stdout)  # the control: without --hide it is readable
            hidden = run("sh", "-c", f"cat {token}; ls {folder}", options=("--hide", token))
            self.assertNotIn("CANARY", hidden.stdout)
            self.assertIn("Permission denied", hidden.stderr)

    def test_a_hidden_link_hides_what_it_will_point_to(self):
        """As the kubelet projects tokens: the link is swapped, and the next version lies beside the first."""
        with tempfile.TemporaryDirectory(dir="/opt") as folder:
            os.chmod(folder, 0o755)
            for version in ("..first", "..second"):
                os.mkdir(os.path.join(folder, version), 0o755)
                with open(os.path.join(folder, version, "token"), "w") as f:
                    os.fchmod(f.fileno(), 0o644)
                    f.write("CANARY-" + version)
            os.symlink("..first", os.path.join(folder, "..data"))
            token = os.path.join(folder, "token")
            os.symlink("..data/token", token)
            look = ("sh", "-c", f"cat {folder}/..second/token; ls -a {folder}")
            self.assertIn("CANARY-..second", run(*look).stdout)
            os.symlink("..data", os.path.join(folder, "volume"))
            for path in (token, os.path.relpath(token), os.path.join(folder, "volume"), os.path.join(folder, "volume/")):
                hidden = run(*look, options=("--hide", path))
                self.assertNotIn("CANARY", hidden.stdout, path)
                self.assertNotIn("..", hidden.stdout, path)

    def secret_in(self, folder, text):
        token = os.path.join(folder, "token")
        with open(token, "w") as f:
            os.fchmod(f.fileno(), 0o644)
            f.write(text)
        return token

    def test_a_hidden_file_with_another_name_is_refused(self):
        with tempfile.TemporaryDirectory(dir="/opt") as folder, tempfile.TemporaryDirectory(dir="/opt") as other:
            token = self.secret_in(folder, "CANARY")
            os.link(token, os.path.join(other, "token"))
            done = run("true", options=("--hide", token))
            self.assertEqual(done.returncode, 125)
            self.assertIn("hard link", done.stderr)

    def made_anew(self, folder, how):
        """Outside, as an agent that is installed again does it: the cover inside goes with its directory."""
        if how == "removed":
            shutil.rmtree(folder)
        else:
            os.rename(folder, folder + ".old")
        time.sleep(0.3)  # init is woken by the first of the two; what comes in the same moment can be seen until it is
        os.mkdir(folder, 0o755)
        self.secret_in(folder, "CANARY-ANEW")

    def test_a_hidden_directory_that_is_made_anew(self):
        for how in ("removed", "moved"):
            for stop in ((), ("--stop-before", "start")):
                with self.subTest(how=how, stop=stop), tempfile.TemporaryDirectory(dir="/opt") as parent:
                    os.chmod(parent, 0o755)
                    folder = os.path.join(parent, "agent")
                    os.mkdir(folder, 0o755)
                    token = self.secret_in(folder, "CANARY-FIRST")
                    script = f"echo ready; while :; do cat {token} 2>/dev/null; sleep 0.05; done"
                    with subprocess.Popen([DRIVER, *USER, "--hide", token, *stop, "--", "sh", "-c", script], text=True,
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as driver:
                        driver.stdout.readline()
                        self.made_anew(folder, how)
                        out, errors = driver.communicate("\n", timeout=60)
                    self.assertEqual(driver.returncode, 78, errors)
                    self.assertIn("made anew outside", errors)
                    self.assertNotIn("CANARY", out)

    def test_a_cover_is_looked_at_where_no_watch_is_left(self):
        """A user has only so many inotify instances."""
        with open("/proc/sys/fs/inotify/max_user_instances", encoding="ascii") as f:
            most = int(f.read())
        if most > 900:
            self.skipTest("too many inotify instances to use them all up")
        init = ctypes.CDLL(None).inotify_init1
        taken = [fd for fd in (init(0o2000000) for _ in range(most + 1)) if fd >= 0]
        try:
            with tempfile.TemporaryDirectory(dir="/opt") as parent:
                os.chmod(parent, 0o755)
                folder = os.path.join(parent, "agent")
                os.mkdir(folder, 0o755)
                token = self.secret_in(folder, "CANARY")
                with subprocess.Popen([DRIVER, *USER, "--hide", token, "--", "sh", "-c", "echo ready; exec sleep 60"], text=True,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as driver:
                    self.assertEqual(driver.stdout.readline(), "ready\n")
                    shutil.rmtree(folder)
                    _, errors = driver.communicate(timeout=30)
                self.assertEqual(driver.returncode, 78, errors)
        finally:
            for fd in taken:
                os.close(fd)

    def test_a_cover_where_only_its_owner_looks(self):
        """What happens beside it ends nothing: init, which has no capability left for it, cannot look any more, nor can the program."""
        with tempfile.TemporaryDirectory(dir="/opt") as parent:
            os.chown(parent, 4711, 4711)
            folder = os.path.join(parent, "agent")
            os.mkdir(folder, 0o755)
            token = self.secret_in(folder, "CANARY")
            with subprocess.Popen([DRIVER, *USER, "--hide", token, "--", "sh", "-c", f"echo ready; sleep 1; cat {token}; exit 7"], text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as driver:
                self.assertEqual(driver.stdout.readline(), "ready\n")
                self.secret_in(parent, "beside")
                out, errors = driver.communicate(timeout=30)
            self.assertEqual((driver.returncode, out), (7, ""), errors)

    def test_a_hidden_path_must_exist(self):
        done = run("true", options=("--hide", "/opt/none/such"))
        self.assertEqual(done.returncode, 125)
        self.assertIn("/opt/none/such", done.stderr)

    def test_denied_system_calls(self):
        script = ("import ctypes, errno, sys\n"
                  "libc = ctypes.CDLL(None, use_errno=True)\n"
                  "def err(n, *a):\n"
                  "    ctypes.set_errno(0); r = libc.syscall(n, *[ctypes.c_long(x) for x in a]); return errno.errorcode.get(ctypes.get_errno(), r)\n"
                  "print(err(425, 1, 0), err(435, 0, 0), err(272, 0x10000000), err(41, (1<<32)|38, 5, 0), err(41, 2, 1, 262),"
                  " err(41, 2, 3, 255), err(16, 0, (1<<32)|0x5412, 0), err(44, 0, 0, 0, 0x20000000, 0, 0), err(250, 0, 0))\n")
        self.assertEqual(run("/usr/bin/python3", "-c", script).stdout.split(),
                         ["ENOSYS", "ENOSYS", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM"])

    def test_orphans_end_with_the_program(self):
        marker = "31457"
        self.assertEqual(run("sh", "-c", f"setsid sleep {marker} & sleep 0.2").returncode, 0)
        self.assertTrue(gone(f"sleep\0{marker}"))

    def test_the_token_variable_is_overwritten(self):
        with subprocess.Popen([DRIVER, *USER, "--stop-before", "build", "--", "true"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env={**os.environ, "CANARY_TOKEN": "CANARY-ENVIRONMENT"}) as driver:
            driver.stdout.readline()
            with open(f"/proc/{driver.pid}/task/{driver.pid}/children") as f:
                launcher = f.read().split()[0]
            end = time.monotonic() + 5
            while b"CANARY-ENV" in content(f"/proc/{launcher}/environ") and time.monotonic() < end:
                time.sleep(0.02)
            self.assertNotIn(b"CANARY-ENVIRONMENT", content(f"/proc/{launcher}/environ"))
            driver.stdin.write(b"\n")
            driver.stdin.close()
            self.assertEqual(driver.wait(timeout=30), 0)

    def test_killed_before_each_step_nothing_runs_and_nothing_stays(self):
        for step in ("build", "start"):
            with self.subTest(step=step), tempfile.TemporaryDirectory(dir="/opt") as folder:
                os.chmod(folder, 0o777)
                marker = f"{folder}/executed"
                driver = subprocess.Popen([DRIVER, *USER, "--stop-before", step, "--", "touch", marker], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE)
                driver.stdout.readline()
                driver.send_signal(signal.SIGKILL)
                driver.wait()
                driver.stdin.close()
                driver.stdout.close()
                self.assertTrue(gone(marker))
                self.assertFalse(os.path.exists(marker))

    def test_killed_while_running_nothing_stays(self):
        marker = "31459"
        driver = subprocess.Popen([DRIVER, *USER, "--", "sleep", marker])
        end = time.monotonic() + 10
        while not processes_with(f"sleep\0{marker}") and time.monotonic() < end:
            time.sleep(0.05)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        self.assertTrue(gone(f"sleep\0{marker}"))


if __name__ == "__main__":
    if os.geteuid() != 0 or subprocess.run(["unshare", "-mnpf", "true"], capture_output=True).returncode != 0:
        print("SKIPPED: needs root and namespaces")
        sys.exit(77)
    unittest.main(verbosity=2)
