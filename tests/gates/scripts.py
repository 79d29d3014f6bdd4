"""Every shell script is valid bash and stops at errors; every Python file compiles."""
import os
import subprocess

import _tree

problems, checked = [], 0
for path in _tree.files():
    first = _tree.text(path).split("\n", 1)[0]
    full = os.path.join(_tree.ROOT, path)
    if path.endswith(".py"):
        checked += 1
        try:
            compile(_tree.text(path), path, "exec")
        except SyntaxError as error:
            problems.append(f"{path}:{error.lineno}: {error.msg}")
    elif path.endswith(".sh") or first.startswith(("#!/bin/bash", "#!/bin/sh")):
        checked += 1
        run = subprocess.run(["bash", "-n", full], capture_output=True, text=True)
        if run.returncode:
            problems.append(run.stderr.strip())
        if first.startswith("#!") and not os.access(full, os.X_OK):
            problems.append(f"{path}: has an interpreter line and is not executable")
_tree.end(problems, checked)
