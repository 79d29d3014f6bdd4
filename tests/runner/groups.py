"""The groups of tests, in the order in which they run: what is quick and tells most comes first."""
import concurrent.futures
import glob
import json
import os
import subprocess

from runner.process import ROOT, run_test

ALL = os.environ.get("KEYWARD_ALL") == "1"
BUILT = os.environ.get("KEYWARD_BUILT", "").split()
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    # Debian's gRPC is not instrumented.
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:halt_on_error=1:suppressions="
    + os.path.join(ROOT, "tests/support/races_of_grpc.txt"),
}


def was_built(report, tree, test):
    """A tree that does not build is one failed test, not a silent gap."""
    if report.listing:
        return os.path.exists(os.path.join(ROOT, f"build-{tree}", "build.ninja"))
    if tree in BUILT:
        return True
    report.wants(test)
    for name in report.names:
        if name.split(".")[0] == test.split(".")[0]:
            report.matched.add(name)
    report.failed(f"{test}.build", 0.0, f"build-{tree} did not build; see build-{tree}/build.log")
    return False


class MesonTests:
    """The programs that meson knows as tests; the suite names the group (`unit`, `isolation`, `escape`)."""

    def __init__(self, name, tree="asan", suites=None):
        self.name, self.tree, self.suites = name, tree, suites or [name]

    def run(self, report):
        if not was_built(report, self.tree, self.name):
            return
        tree = os.path.join(ROOT, f"build-{self.tree}")
        tests = json.loads(subprocess.check_output(["meson", "introspect", "--tests", tree]))
        for test in tests:
            suites = {suite.split(":")[-1] for suite in test["suite"]}
            if suites & set(self.suites):
                run_test(report, f"{self.name}.{test['name']}", test["cmd"], timeout=test["timeout"] * 10,
                         env={**SANITIZER_ENV, **test["env"]}, cwd=test["workdir"] or tree)


class Gates:
    """The rules of the house that a script can check: tests/gates/NAME.py, exit status 0 = kept."""
    name = "gates"

    def run(self, report):
        for script in sorted(glob.glob(os.path.join(ROOT, "tests/gates/[!_]*.py"))):
            test = os.path.basename(script).removesuffix(".py")
            run_test(report, f"gates.{test}", ["/usr/bin/python3", script], timeout=1800)


class Fuzz:
    """Each libFuzzer target runs its seeds and then a little longer; one target per processor at a time."""
    name = "fuzz"

    def run(self, report):
        if not was_built(report, "fuzz", "fuzz"):
            return
        seconds = "120" if ALL else "5"

        def fuzz(program):
            target = os.path.basename(program).removesuffix("_fuzz")
            fresh = os.path.join(ROOT, "build-fuzz/corpus", target)
            os.makedirs(fresh, exist_ok=True)
            seeds = os.path.join(ROOT, "tests/fuzz/corpus", target)
            command = [program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
                       "-error_exitcode=1",  # its own 77 would mean a skipped test
                       f"-artifact_prefix={ROOT}/build-fuzz/", fresh] + ([seeds] if os.path.isdir(seeds) else [])
            run_test(report, f"fuzz.{target}", command, timeout=600, env=SANITIZER_ENV)

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(fuzz, sorted(glob.glob(os.path.join(ROOT, "build-fuzz/tests/fuzz/*_fuzz")))))


class BesideEndToEnd:
    """What lasts long and needs little begins here, and is collected by EndToEnd."""
    name = "e2e"

    def run(self, report):
        if "release" in BUILT and not report.listing:
            from e2e import suite
            suite.begin_beside(report, ALL)


class EndToEnd:
    """Real clients, real servers, the real programs: the modules of tests/e2e, all in one process that shares the servers."""
    name = "e2e"

    def run(self, report):
        if not was_built(report, "release", "e2e"):
            return
        from e2e import suite
        suite.run(report, ALL)


class Script:
    """One shell script that is one test."""

    def __init__(self, name, path, tree="release", timeout=900, args=()):
        self.name, self.path, self.tree, self.timeout, self.args = name, path, tree, timeout, list(args)

    def run(self, report):
        if was_built(report, self.tree, self.name):
            run_test(report, self.name, [os.path.join(ROOT, self.path)] + self.args, self.timeout)


def in_order():
    groups = [MesonTests("unit"), Gates(), MesonTests("netns"), MesonTests("isolation"), MesonTests("escape"),
              BesideEndToEnd(), Fuzz(), EndToEnd(),
              Script("quickstart", "tests/e2e/quickstart_check.sh"),
              Script("token-grant-demo", "tests/e2e/token_grant_demo_check.sh")]
    if ALL:
        groups += [MesonTests("tsan", tree="tsan", suites=["unit", "netns"]), Script("bench", "tests/bench/run.sh", timeout=1800)]
    return groups
