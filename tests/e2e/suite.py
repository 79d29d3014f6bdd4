"""Finds the modules *_test.py, runs their cases one by one against one shared World and tells the report."""
import atexit
import faulthandler
import fcntl
import functools
import glob
import importlib
import os
import signal
import time
import traceback
import unittest

from e2e.support.world import World
from runner.process import log_path

HERE = os.path.dirname(os.path.abspath(__file__))
CASE_LIMIT = 600


class Case(unittest.TestCase):
    """What a test module derives from: `self.world` has the servers; `slow = True` waits for --all; `limit` is in seconds."""
    world = None
    slow = False
    limit = CASE_LIMIT

    def ended_well(self, done, message=""):
        self.assertEqual(done.returncode, 0, f"{message}\nstdout: {done.stdout[-1500:]}\nstderr: {done.stderr[-3000:]}")
        return done.stdout


class Beside(Case):
    """What takes long and needs nothing of the world: begun before all other cases, and collected after them."""

    @classmethod
    def begin(cls):
        raise NotImplementedError

    @classmethod
    def end(cls):
        raise NotImplementedError


class Outcome(unittest.TestResult):
    def __init__(self, report):
        super().__init__()
        self.report, self.started = report, 0.0

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()
        signal.alarm(int(test.limit))

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)

    def seconds(self):
        return time.monotonic() - self.started

    def addSuccess(self, test):
        self.report.passed(name_of(test), self.seconds())

    def addSkip(self, test, reason):
        self.report.skipped(name_of(test), self.seconds(), reason)

    def addFailure(self, test, err):
        path = log_path(name_of(test))
        text = "".join(traceback.format_exception(*err))
        with open(path, "w", encoding="utf-8") as log:
            log.write(text)
        print("\n".join(text.splitlines()[-30:]), flush=True)
        self.report.failed(name_of(test), self.seconds(), "", path)

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.addFailure(test, err)


def name_of(test):
    if not hasattr(test, "_testMethodName"):
        return f"e2e.{test}"
    module = type(test).__module__.split(".")[-1].removesuffix("_test")
    return f"e2e.{module}.{test._testMethodName.removeprefix('test_')}"


def on_alarm(*_):
    faulthandler.dump_traceback()
    raise TimeoutError("no end within the case's limit")


def on_term(*_):
    raise KeyboardInterrupt  # passes through unittest to World.close(): servers and namespaces end with the run


def cases():
    for path in sorted(glob.glob(os.path.join(HERE, "*_test.py"))):
        module = importlib.import_module("e2e." + os.path.basename(path).removesuffix(".py"))
        for group in unittest.defaultTestLoader.loadTestsFromModule(module):
            yield from group


def chosen_of(report, everything):
    return [case for case in cases() if (everything or not case.slow) and report.wants(name_of(case))]


@functools.cache
def alone():
    """Two runs on one machine would meet in the sandbox's default uid, which the supervisor rightly refuses: the second waits."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_term)
    lock = open("/run/lock/keyward-e2e.lock", "w", encoding="utf-8")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


@functools.cache
def begin(kind):
    atexit.register(kind.end)
    kind.begin()


def begin_beside(report, everything):
    """Begins what run() will collect; other groups of tests may run in between."""
    kinds = {type(case) for case in chosen_of(report, everything) if isinstance(case, Beside)}
    if kinds and os.geteuid() == 0:
        alone()
        for kind in kinds:
            begin(kind)


def run(report, everything):
    signal.signal(signal.SIGALRM, on_alarm)
    chosen = chosen_of(report, everything)
    if not chosen:
        return
    if os.geteuid() != 0:
        for case in chosen:
            report.skipped(name_of(case), 0.0, "needs root: network namespaces and a real sandbox")
        return
    alone()
    begin_beside(report, everything)
    chosen.sort(key=lambda case: isinstance(case, Beside))
    world = World()
    Case.world = world
    try:
        for case in chosen:
            case.run(Outcome(report))
    finally:
        world.close()
        alone().close()  # what comes after this waits for it in processes of its own
        alone.cache_clear()
