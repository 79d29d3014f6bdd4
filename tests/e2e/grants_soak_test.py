"""Token grants for five minutes, or for an hour with --all, beside the other tests: tests/e2e/support/grants_soak.py, in a process of its own."""
import json
import os
import subprocess
import sys
import unittest

from e2e.suite import Beside
from e2e.support import tools
from runner.process import LOGS

SECONDS = int(os.environ.get("KEYWARD_GRANTS_SOAK") or (3600 if os.environ.get("KEYWARD_ALL") == "1" else 300))
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "support/grants_soak.py")


class GrantsSoakTest(Beside):
    limit = SECONDS + 600
    process, missing = None, None
    result, log = (os.path.join(LOGS, f"grants-soak.{end}") for end in ("json", "log"))

    @classmethod
    def begin(cls):
        try:
            tools.spiffe_peer()  # two processes must not build it at once
        except unittest.SkipTest as reason:
            cls.missing = str(reason)
            return
        if os.path.exists(cls.result):
            os.unlink(cls.result)
        os.makedirs(LOGS, exist_ok=True)
        with open(cls.log, "wb") as log:
            cls.process = subprocess.Popen([sys.executable, PROGRAM, str(SECONDS), cls.result], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @classmethod
    def end(cls):
        if cls.process and cls.process.poll() is None:
            cls.process.terminate()
            cls.process.wait(60)

    def test_no_request_without_a_token_that_is_good(self):
        if self.missing:
            self.skipTest(self.missing)
        self.assertEqual(self.process.wait(self.limit - 60), 0, f"see {self.log}")
        with open(self.result, encoding="utf-8") as file:
            found = json.load(file)
        print(f"         grants soak of {SECONDS} s: {found['told']}", flush=True)
        self.assertEqual(found["problems"], [])
