"""Runs one test program: output to a log file, a limit in time, and its whole process group ended afterwards."""
import os
import re
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOGS = os.path.join(ROOT, "build-tests")
SKIP = 77


def log_path(test):
    os.makedirs(LOGS, exist_ok=True)
    return os.path.join(LOGS, re.sub(r"[^\w.-]", "_", test) + ".log")


def tail(path, lines=25):
    with open(path, errors="replace") as log:
        return "".join(log.readlines()[-lines:])


def why_skipped(path):
    with open(path, errors="replace") as log:
        reasons = [line.strip() for line in log if line.startswith("SKIPPED:")]
    return reasons[-1].removeprefix("SKIPPED:").strip() if reasons else "no reason given"


def run_test(report, test, command, timeout=300, env=None, cwd=ROOT):
    """One program = one test: exit status 0 passes, 77 skips, all else fails."""
    if not report.wants(test):
        return
    path, started = log_path(test), time.monotonic()
    with open(path, "w") as log:
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                 env={**os.environ, **(env or {})}, cwd=cwd, start_new_session=True)
        try:
            status = child.wait(timeout)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            end_group(child.pid)
            child.wait()
    seconds = time.monotonic() - started
    if status == 0:
        report.passed(test, seconds)
        os.unlink(path)
    elif status == SKIP:
        report.skipped(test, seconds, why_skipped(path))
    else:
        print(tail(path), end="", flush=True)
        note = f"no end within {timeout} s" if status is None else f"exit status {status}"
        report.failed(test, seconds, note, path)


def end_group(leader):
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
