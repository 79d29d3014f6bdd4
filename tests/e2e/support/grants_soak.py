#!/usr/bin/env python3
"""Tokens of a minute and an agent that restarts, for minutes or hours: whatever happens, no request reaches a service without a token
that is good by the service's own clock.

usage: grants_soak.py SECONDS RESULT.json

It has a network namespace, ports and a user of its own, so that other tests may run beside it.  RESULT: {"problems": [...], "told": ...}.
"""
import collections
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from e2e.support.machine import Machine  # noqa: E402
from e2e.support.pki import Pki  # noqa: E402
from e2e.support.soak import footprint  # noqa: E402
from e2e.support.token_grants import ALPHA, BETA, GrantSandbox, Place  # noqa: E402

PORT, USER, LIFETIME = 17880, "59311", 60
RESTART_EVERY, AWAY, OUTAGE, RECOVERY = 20, 2, 75, 90  # seconds
GROWTH = 16 * 1024  # KiB
# Kept connections, slow bodies and plain curl to both services until the time is over; then one line with what was not answered by 200.
PROGRAM = """
import collections, http.client, json, os, ssl, subprocess, sys, threading, time
from urllib.parse import urlsplit
proxy, places, end = urlsplit(os.environ["HTTPS_PROXY"]), json.loads(sys.argv[1]), time.time() + float(sys.argv[2])
counts, failures, lock = collections.Counter(), [], threading.Lock()
def note(way, status, text):
    with lock:
        counts[f"{way} {status}"] += 1
        if status != 200: failures.append([time.time(), way, status, text[:600]])
def kept(place):
    connection = None
    while time.time() < end:
        try:
            if connection is None:
                connection = http.client.HTTPSConnection(proxy.hostname, proxy.port, timeout=60, context=ssl.create_default_context())
                connection.set_tunnel(*place)
            connection.request("GET", "/")
            answer = connection.getresponse()
            note("kept", answer.status, answer.read().decode())
        except (OSError, http.client.HTTPException) as error:
            note("kept", 0, repr(error))
            connection = None
        time.sleep(0.1)
def slow(place):  # the token of a request's beginning has often ended when its body is whole
    while time.time() < end:
        try:
            connection = http.client.HTTPSConnection(proxy.hostname, proxy.port, timeout=60, context=ssl.create_default_context())
            connection.set_tunnel(*place)
            connection.putrequest("POST", "/")
            connection.putheader("Content-Length", "2")
            connection.endheaders(b"a")
            time.sleep(max(1, min(40, end - time.time())))
            connection.send(b"b")
            answer = connection.getresponse()
            note("slow", answer.status, answer.read().decode())
        except (OSError, http.client.HTTPException) as error:
            note("slow", 0, repr(error))
def curl(place):
    while time.time() < end:
        done = subprocess.run(["curl", "-sS", "-w", "\\\\n%{http_code}", f"https://{place[0]}:{place[1]}/"], capture_output=True, text=True)
        body, _, status = done.stdout.rpartition("\\n")
        note("curl", int(status or 0), body + done.stderr)
        time.sleep(0.5)
print("ready", flush=True)
threads = [threading.Thread(target=way, args=(place,)) for way in (kept, slow, curl) for place in places]
for each in threads: each.start()
for each in threads: each.join()
print(json.dumps({"counts": counts, "failures": failures}), flush=True)
"""


class Own:
    """What a place needs of the tests' world."""

    def __init__(self):
        self.machine = Machine()
        self.pki = Pki(self.machine.folder("pki"))


class SoakPlace(Place):
    label, lifetime = "soak-grants", LIFETIME
    service = os.path.join(os.path.dirname(os.path.abspath(__file__)), "strict_service.py")


class SoakSandbox(GrantSandbox):
    user = USER


class Soak:
    def __init__(self, place, seconds):
        self.place, self.seconds, self.problems, self.outage, self.footprints = place, seconds, [], None, []
        self.sandbox = SoakSandbox(place, "soak").start("/usr/bin/python3", "-uc", PROGRAM, json.dumps([ALPHA, BETA]), str(seconds))
        self.began = time.time()

    def wait(self, instant):
        while time.time() < instant:
            if self.sandbox.process.poll() is not None:
                raise RuntimeError(f"the sandbox ended early; see {self.sandbox.log}")
            time.sleep(0.2)

    def restart_agent(self, number):
        agent = self.place.agent
        if number % 3 == 2:
            agent.say(do="replace")
        else:
            agent.say(do="stop")
            time.sleep(AWAY)
            agent.say(do="start")
        if number % 3 == 1:
            agent.say(do="rotate")
            self.place.refresh_bundle()

    def go(self):
        """The issuer is away once, for longer than a token lives, in the third quarter."""
        outage_at = self.began + self.seconds / 2 if self.seconds >= 4 * OUTAGE else None
        for number in range(1, int(self.seconds // RESTART_EVERY)):
            self.wait(self.began + number * RESTART_EVERY)
            if outage_at and time.time() >= outage_at:
                self.footprints.append(footprint(self.sandbox.process.pid))
                self.outage, outage_at = time.time(), None
                self.place.issuer.stop()
                self.wait(self.outage + OUTAGE)
                self.place.issuer.start()
            elif time.time() < self.began + (number + 1) * RESTART_EVERY:
                self.restart_agent(number)
        self.wait(self.began + self.seconds - 1)
        self.footprints.append(footprint(self.sandbox.process.pid))
        said = json.loads(self.sandbox.process.stdout.readline() or "{}")
        self.check_client(said)
        self.check_services()
        return f"{said.get('counts')}; {self.issued} tokens issued; {' then '.join(map(str, self.footprints))}"

    def check_client(self, said):
        """Everything was answered by 200, but for 503 while no token could be had."""
        if sum(said["counts"].values()) < self.seconds * 10:
            self.problems.append(f"too few requests: {said['counts']}")
        for instant, way, status, text in said["failures"]:
            excused = self.outage and self.outage < instant < self.outage + OUTAGE + RECOVERY and status == 503 and "token_unavailable" in text
            if not excused:
                self.problems.append(f"second {instant - self.began:.1f}: {way} {status}: {text}")
        if self.outage and not said["failures"]:
            self.problems.append("the issuer was away for longer than a token lives, and nothing was refused")

    def check_services(self):
        """Each token was good by the service's clock, and none was used for long."""
        used = collections.Counter()
        for service in (self.place.alpha, self.place.beta):
            for line in service.seen():
                if line["status"] != 200 or line["left"] <= 0:
                    self.problems.append(f"{service.label}: {line}")
                used[line.get("token")] += 1
        self.issued = sum(line["status"] == 200 for line in self.place.issuer.seen())
        lives = 2 * self.seconds / (LIFETIME * 0.9 * 0.72)  # renewed at 72 % of what is used of a life at the soonest
        if not len(used) <= self.issued <= lives + 8:
            self.problems.append(f"{self.issued} tokens were issued and {len(used)} were used")
        first, last = self.footprints[0], self.footprints[-1]
        if last.resident - first.resident > GROWTH or last.descriptors > first.descriptors + 8 or last.threads > first.threads + 4:
            self.problems.append(f"the supervisor has grown: {first}, then {last}")


def on_term(*_):
    raise KeyboardInterrupt


def main(seconds, result):
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_term)
    own, told, problems = Own(), "", []
    try:
        soak = Soak(SoakPlace(own, PORT), seconds)
        told, problems = soak.go(), soak.problems
    except Exception as error:  # is the result
        problems = [f"{type(error).__name__}: {error}"]
    finally:
        own.machine.close()
    with open(result + ".new", "w", encoding="utf-8") as file:
        json.dump({"problems": problems[:40], "told": told}, file)
    os.replace(result + ".new", result)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2])
