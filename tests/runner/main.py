#!/usr/bin/env python3
"""Runs the tests that tests/run.sh has built; one line per test, then `N passed, N failed`."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from runner import groups  # noqa: E402
from runner.report import Report  # noqa: E402


def main(names):
    report = Report(names, listing=os.environ.get("KEYWARD_LIST") == "1")
    for group in groups.in_order():
        if report.wants_group(group.name):
            group.run(report)
    unknown = report.unmatched_names()
    for name in unknown:
        report.failed(name, 0.0, "no test has this name" + ("" if groups.ALL else " without --all"))
    return report.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
