"""A thousand supervisors for ten minutes, with a gateway that is killed in the middle: nobody loses its identity, nothing piles up, and
nobody comes all at once.  KEYWARD_SOAK=100:60 makes it a hundred for a minute."""
import concurrent.futures
import json
import os
import resource
import sqlite3
import subprocess
import time

from e2e.suite import Case
from e2e.support import soak
from e2e.support.keyward import Gateway, endpoint, policy
from e2e.support.machine import ROOT, wait_until

COUNT, SECONDS = map(int, os.environ.get("KEYWARD_SOAK", "1000:600").split(":"))
LIFE = 120  # of a token
EARLIEST, LATEST = 0.8 * 0.95 * LIFE, 0.8 * 1.05 * LIFE  # of a refresh, after the one before
PATIENCE = 0.8 * LIFE / 5  # what a busy machine, or an attempt that met no gateway, may add: the token lives that long
RETRY = 15  # seconds within which a refresh whose answer the kill has cost is asked for again
GROWTH = 16 * 1024  # KiB that a process may grow by in its part of the time after the first two minutes
PROGRAM = "tests/soak/supervisors"


class SoakTest(Case):
    slow = True
    limit = 3 * SECONDS + 900

    def setUp(self):
        subprocess.run(["ninja", "-C", os.path.join(ROOT, "build-release"), PROGRAM], check=True, stdout=subprocess.DEVNULL)
        self.machine = self.world.machine
        self.gateway = Gateway(self.machine, "soak", 17700, options=["--token-ttl", str(LIFE)])
        self.start_gateway()
        self.addCleanup(self.gateway.stop)
        self.folder = self.machine.folder("soak-supervisors", 0o700)
        self.policy = self.machine.write("soak.yaml", policy([endpoint("up.test", 443, "10.0.0.1", protocol="rest", access="full")]), 0o644)

    def start_gateway(self):
        """With the soft limit of descriptors that a service gets where nobody sets one."""
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limits[1]))
        try:
            self.gateway.start()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    def start_supervisors(self):
        """Each as soon as its sandbox is made: a token does not live long enough to wait for all the others'."""
        process = subprocess.Popen([os.path.join(ROOT, "build-release", PROGRAM), self.gateway.endpoint,
                                    os.path.join(self.gateway.tls, "ca.crt"), self.folder],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.machine.processes.append(process)
        self.addCleanup(self.machine.stop, process)
        self.addCleanup(process.stdout.close)

        def make(name):
            token = os.path.join(self.machine.folder(f"soak-supervisors/{name}", 0o700), "sandbox.jwt")
            self.ended_well(self.gateway.operator("sandbox", "create", name, "--policy", self.policy, "--token-out", token))
            os.write(process.stdin.fileno(), f"{name}\n".encode())
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(make, (f"soak-{n}" for n in range(COUNT))))
        process.stdin.close()
        self.assertEqual(process.stdout.readline(), "running\n")
        return process

    def wait_for(self, instant, what):
        """The soak's own time; ends early when a process does."""
        ended = lambda: self.gateway.process.poll() is not None or self.supervisors.poll() is not None
        wait_until(lambda: time.time() >= instant or ended(), max(1, instant - time.time()) + 60, what)
        self.assertFalse(ended(), f"a process ended before {what}")

    def measure(self, what):
        found = soak.footprint(self.gateway.process.pid), soak.footprint(self.supervisors.pid)
        print(f"soak: {what}: gateway {found[0]}; {COUNT} supervisors {found[1]}", flush=True)
        return found

    def test_a_thousand_supervisors(self):
        self.supervisors = self.start_supervisors()
        self.started = time.time()
        part = SECONDS / 10
        self.wait_for(self.started + 2 * part, "the second minute")
        footprints = [self.measure("minute 2")]
        self.wait_for(self.started + 5 * part, "the middle")
        footprints.append(self.measure("minute 5"))
        self.killed = time.time()
        self.gateway.kill()
        self.start_gateway()
        self.wait_for(self.started + 7 * part, "the seventh minute")
        footprints.append(self.measure("minute 7"))
        self.wait_for(self.started + 10 * part, "the end")
        footprints.append(self.measure("minute 10"))
        self.ended = time.time()
        self.calls = soak.Calls(os.path.join(self.gateway.folder, "audit.jsonl"))
        self.check_what_supervisors_tell()
        self.check_refreshes()
        self.check_return()
        self.check_database()
        self.check_growth(footprints)

    def check_what_supervisors_tell(self):
        self.supervisors.terminate()
        lines = [json.loads(line) for line in self.supervisors.stdout]
        self.assertEqual(self.supervisors.wait(120), 0)
        events = lines.pop()["events"]
        print(f"soak: events {events}\nsoak: refused {dict(self.calls.refusals)}", flush=True)
        self.assertEqual(len(lines), COUNT)
        for line in lines:
            self.assertEqual((line["expired"], line["denied"]), (0, 0), line)
        self.refreshes = {line["sandbox"]: line["refreshes"] for line in lines}
        for event in ("token_refused", "token_expired", "authority_lost", "policy_refused", "token_not_kept"):
            self.assertNotIn(event, events)

    def check_refreshes(self):
        """Each one's by the schedule, none of them late enough to end a token, and all of them spread."""
        asked = self.calls.of("RefreshSandboxToken")
        after = []
        for sandbox, seen in self.refreshes.items():
            times = asked.get(sandbox, [])
            self.assertLessEqual(seen, len(times), sandbox)
            last = max(times, default=self.started)
            self.assertLess(self.ended - last, LATEST + PATIENCE, f"{sandbox} is stuck")
            for begin, gap in soak.gaps(times):
                self.assertLess(gap, LATEST + PATIENCE, f"{sandbox} was late")
                if abs(begin - self.killed) < RETRY:
                    continue  # asked again because the answer was lost
                self.assertGreater(gap, EARLIEST - 1, f"{sandbox} came too early")
                after.append(gap)
        wall = soak.per_second([t - self.started for times in asked.values() for t in times if t > self.started])
        print(soak.told("soak: refreshes by the seconds since the one before", soak.per_second(after), int(min(after, default=0))))
        print(soak.told("soak: refreshes by the second of the soak", wall), flush=True)
        self.assertLess(max(wall, default=0), COUNT / 4)

    def check_return(self):
        """All are back after the kill, and did not come in one second."""
        for method in ("ConnectSupervisor", "GetSandboxConfig"):
            back = self.calls.first_after(method, self.killed)
            self.assertEqual(len(back), COUNT, f"{method}: not all of them came back")
            came = soak.per_second(back.values())
            print(soak.told(f"soak: {method}, first calls by the seconds since the kill", came, int(min(back.values()))), flush=True)
            self.assertLess(max(came), COUNT / 2)

    def check_database(self):
        """A row for each token that was issued, and no other. (They stay a day beyond their end: unit.gateway.)"""
        with sqlite3.connect(f"file:{self.gateway.database}?mode=ro", uri=True) as database:
            rows, = database.execute("SELECT count(*) FROM tokens").fetchone()
        issued = COUNT + sum(self.refreshes.values())
        print(f"soak: {rows} rows of tokens, {issued} tokens were issued", flush=True)
        self.assertGreaterEqual(rows, issued)
        self.assertLess(rows, issued + COUNT / 20)  # answers that were under way at the end

    def check_growth(self, footprints):
        for before, after in (footprints[:2], footprints[2:]):
            for then, now in zip(before, after):
                self.assertLess(now.resident - then.resident, GROWTH)
                self.assertLessEqual(now.descriptors, then.descriptors + 8)
                self.assertLessEqual(now.threads, then.threads + 16)
