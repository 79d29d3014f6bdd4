#!/usr/bin/env python3
"""How long a confined /bin/true takes: the supervisor in local mode beside bubblewrap, in pairs, so that both see the same machine.

usage: start_time.py [PAIRS]
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POLICY = "version: 1\nnetwork_policies:\n  a:\n    endpoints:\n      - { host: a.test, port: 443 }\n"


def seconds(command):
    started = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    return time.perf_counter() - started


def main():
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        policy = os.path.join(folder, "policy.yaml")
        with open(policy, "w", encoding="utf-8") as file:
            file.write(POLICY)
        rows = {
            "fork and exec": ["/bin/true"],
            "bwrap --unshare-all": ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"],
            "supervisor run": [os.path.join(ROOT, "build-release/supervisor/supervisor"), "run", "--policy", policy, "--audit-log",
                               os.path.join(folder, "audit", "log"), "--", "/bin/true"],
        }
        times = {name: [] for name in rows}
        for command in rows.values():
            seconds(command)
        for _ in range(pairs):
            for name, command in rows.items():
                times[name].append(seconds(command) * 1000)
    for name, taken in times.items():
        taken.sort()
        print(f"start: {name:20} median {statistics.median(taken):6.1f} ms  min {taken[0]:6.1f}  p90 {taken[int(len(taken) * 0.9)]:6.1f}")


main()
