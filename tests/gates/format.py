"""clang-format 19 would change nothing."""
import os
import subprocess

import _tree

sources = list(_tree.files(".cpp", ".hpp"))
run = subprocess.run(["clang-format-19", "--dry-run", "-Werror", *sources], cwd=_tree.ROOT, capture_output=True, text=True)
problems = sorted({line.split(": error:")[0] for line in run.stderr.splitlines() if ": error:" in line})
if run.returncode and not problems:
    problems = [run.stderr.strip() or f"clang-format-19: exit status {run.returncode}"]
_tree.end([f"{os.path.relpath(problem, _tree.ROOT) if problem.startswith('/') else problem}: run clang-format-19 -i"
           for problem in problems], len(sources))
