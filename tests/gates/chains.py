"""The chains of docs/ARCHITECTURE.md (lines `chain: a -> b -> c`) name functions that exist in the code."""
import re

import _tree

MIN_CHAINS = 3
code = "\n".join("\n".join(line for _, line in _tree.code_lines(path)) for path in _tree.files(".cpp", ".hpp", under=_tree.CODE))
names = set(re.findall(r"\b([a-z_][a-z0-9_]*)\s*\(", code))

problems, checked = [], 0
for number, line in enumerate(_tree.text("docs/ARCHITECTURE.md").splitlines(), 1):
    found = re.match(r"\s*chain:\s*(.+)$", line)
    if not found:
        continue
    checked += 1
    for step in re.split(r"\s*->\s*", found.group(1).strip()):
        name = re.split(r"::", step.strip("` ").split("(")[0])[-1].strip()
        if name not in names:
            problems.append(f"docs/ARCHITECTURE.md:{number}: no function is named {step}")
if checked < MIN_CHAINS:
    problems.append(f"docs/ARCHITECTURE.md: {checked} chains, expected at least {MIN_CHAINS}")
_tree.end(problems, checked)
