"""The one place that prints results and counts them."""
import os
import time

START = time.monotonic() - float(os.environ.get("KEYWARD_SECONDS", "0"))


def elapsed():
    return int(time.monotonic() - START)


def say(text):
    print(f"[{elapsed():4d}s] {text}", flush=True)


class Report:
    def __init__(self, names, listing=False):
        self.names, self.listing = names, listing
        self.matched = set()
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.failures = []

    def wants_group(self, group):
        """Whether any test of the group may be asked for."""
        return not self.names or any(name.split(".")[0] == group for name in self.names)

    def wants(self, test):
        """Whether this test is to run now; `group` and `group.prefix` select it."""
        hits = [name for name in self.names if test == name or test.startswith(name)]
        self.matched.update(hits)
        if self.names and not hits:
            return False
        if self.listing:
            print(test)
            return False
        return True

    def unmatched_names(self):
        return [] if self.listing else [name for name in self.names if name not in self.matched]

    def passed(self, test, seconds, note=""):
        self._line("passed", "ok", test, seconds, note)

    def failed(self, test, seconds, note="", log=None):
        self.failures.append(test)
        self._line("failed", "FAILED", test, seconds, note)
        if log:
            print(f"         log: {log}", flush=True)

    def skipped(self, test, seconds, why):
        """A test that cannot run here.  In CI everything can, so there it is a failure."""
        if os.environ.get("CI") == "true":
            self.failed(test, seconds, f"skipped in CI: {why}")
        else:
            self._line("skipped", "skipped", test, seconds, why)

    def _line(self, kind, word, test, seconds, note):
        self.counts[kind] += 1
        print(f"[{elapsed():4d}s] {word:7} {test} ({seconds:.1f}s)" + (f": {note}" if note else ""), flush=True)

    def close(self):
        if self.listing:
            return 0
        for test in self.failures:
            print(f"failed: {test}")
        line = f"{self.counts['passed']} passed, {self.counts['failed']} failed"
        if self.counts["skipped"]:
            line += f", {self.counts['skipped']} skipped"
        print(line, flush=True)
        return 0 if self.counts["failed"] == 0 and self.counts["passed"] > 0 else 1
