"""The supervisor, its launcher and the sandbox's init are killed at each step of the start, and each privileged step is made to
fail, by strace from outside.

The steps are the process's own system calls, read from a start that nobody disturbs.  Afterwards no process of the sandbox
is left, and the program either was never executed or ran with its whole confinement.
"""
import os
import re
import subprocess
import tempfile

from e2e.suite import Case
from e2e.support.gateway_mode import GatewayMode
from e2e.support.keyward import ENVIRONMENT, Local, SUPERVISOR, endpoint
from e2e.support.machine import wait_until

SANDBOX_UID = "59123"
# Says how it runs: what it prints is all that it was able to see of its confinement.
PROGRAM = ("/bin/grep", "-E", "^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):", "/proc/self/status")
CONFINED = {"Uid": "\t".join([SANDBOX_UID] * 4), "CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}
CALL = re.compile(r"^(?P<pid>\d+) +(?P<call>[a-z_0-9]+)\(")
# What makes the sandbox: none of them may fail unnoticed.
PRIVILEGED = {"unshare", "clone", "mount", "pivot_root", "umount2", "sethostname", "setgroups", "setresgid", "setresuid", "capset",
              "prctl", "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "close_range", "setsid",
              "openat2", "chroot", "mkdir", "chown", "bind", "listen", "sendmsg", "recvmsg"}
STEPS = 30  # of each process, spread evenly; all of them with --all


def ours():
    """Processes of a supervisor or of the sandbox's user, as the kernel lists them."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            executable = os.readlink(f"/proc/{pid}/exe")
            with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                status = file.read()
        except OSError:
            continue
        if "State:\tZ" not in status and (executable == SUPERVISOR or f"Uid:\t{SANDBOX_UID}\t" in status):
            found.append(int(pid))
    return found


def calls_of(trace):
    """[(call, ordinal of that call)] of each process in the order in which they were born."""
    steps, counts = {}, {}
    with open(trace, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = CALL.match(line)
            if not match:
                continue
            pid, call = match["pid"], match["call"]
            counts[pid, call] = counts.get((pid, call), 0) + 1
            steps.setdefault(pid, []).append((call, counts[pid, call]))
    return list(steps.values())


def chosen(steps):
    if os.environ.get("KEYWARD_ALL") == "1":
        return steps
    return [steps[n * len(steps) // STEPS] for n in range(STEPS)]


class StartKillTest(Case):
    def setUp(self):
        self.sandbox = Local(self.world.machine, self.world.pki, label="start-kill",
                             endpoints=[endpoint("kept.keyward.test", 443, "10.0.0.1")])
        self.environment = ENVIRONMENT
        self.folder = tempfile.mkdtemp(dir=self.world.machine.folder("start-kill"))

    def traced(self, *options):
        trace = os.path.join(self.folder, "trace")
        done = subprocess.run(["strace", *options, "-o", trace, *self.sandbox.command(*PROGRAM)], capture_output=True, text=True,
                              timeout=60, env=self.environment, stdin=subprocess.DEVNULL)
        return done, trace

    def was_executed(self, out, step):
        seen = dict(line.split(":\t", 1) for line in out.splitlines())
        self.assertTrue(not seen or seen == CONFINED, f"{step}: {seen}")
        return bool(seen)

    def undisturbed(self):
        """The calls of each process and thread of a start: supervisor, launcher and init are the first three."""
        done, trace = self.traced("-f", "-e", "trace=all")
        self.assertTrue(self.was_executed(self.ended_well(done), "the undisturbed start"))
        return calls_of(trace)

    def kill_at_each(self, steps, *options):
        """Most of the starts must fail; returns the part of them that got as far as the program."""
        self.assertGreater(len(steps), STEPS)
        failed = executed = 0
        steps = chosen(steps)
        for call, ordinal in steps:
            step = f"{call} number {ordinal}"
            with self.subTest(step):
                done, _ = self.traced(*options, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={ordinal}")
                executed += self.was_executed(done.stdout, step)
                failed += done.returncode != 0
                wait_until(lambda: not ours(), 10, f"the sandbox's end after {step}")
        self.assertGreater(failed, len(steps) * 2 // 3)
        return executed / len(steps)

    def test_the_supervisor(self):
        self.assertLess(self.kill_at_each(self.undisturbed()[0]), 0.5, "most steps lie before go")

    def test_the_supervisor_with_a_gateway(self):
        self.sandbox = GatewayMode(self.world, self.world.gateway, "start-kill", self.world.judge)
        self.environment = self.sandbox.environment
        self.assertLess(self.kill_at_each(self.undisturbed()[0]), 0.5, "most steps lie before go")

    def test_the_launcher_and_init(self):
        _, launcher, init = self.undisturbed()[:3]
        for name, steps in (("launcher", launcher), ("init", init)):
            with self.subTest(name):
                self.kill_at_each(steps, "-f")

    def test_a_privileged_step_that_fails(self):
        steps = sorted({step for calls in self.undisturbed() for step in calls if step[0] in PRIVILEGED})
        self.assertGreater(len(steps), 100)
        refused = 0
        for call, ordinal in steps:
            step = f"{call} number {ordinal}"
            with self.subTest(step):
                done, _ = self.traced("-f", "-e", f"trace={call}", "-e", f"inject={call}:error=EPERM:when={ordinal}")
                executed = self.was_executed(done.stdout, step)
                refused += done.returncode != 0
                self.assertTrue(executed or done.returncode != 0, f"{step}: {done.stderr[-300:]}")
                wait_until(lambda: not ours(), 10, f"the sandbox's end after {step}")
        self.assertGreater(refused, len(steps) // 2)
