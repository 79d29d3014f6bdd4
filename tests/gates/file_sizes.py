"""No file of code is longer than 400 lines."""
import _tree

LIMIT = 400
problems, checked = [], 0
for path in _tree.files(".cpp", ".hpp", ".py", ".sh", "tests/run.sh", "meson.build"):
    checked += 1
    lines = _tree.text(path).count("\n")
    if lines > LIMIT:
        problems.append(f"{path}: {lines} lines, the limit is {LIMIT}")
_tree.end(problems, checked)
