"""Nothing of one machine is in the repository: no work folders, no hosts of package registries, no loose ends.  A page of docs/
that is named somewhere is there."""
import os
import re

import _tree

# Written in two parts, so that this file is not its own first finding.
FORBIDDEN = [
    (re.compile(r"/" + r"work/"), "a path of one machine"),
    (re.compile(r"/" + r"root/"), "a path of one machine"),
    (re.compile(r"(files\.python" + r"hosted\.org|\bpypi" + r"\.org|proxy\.golang" + r"\.org|repo1?\.maven" + r"|deb\.debian" + r"\.org"
                r"|registry\.npm" + r"js|static\.crates" + r"\.io)"), "a package registry's host: use its ordinary client"),
    (re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b"), "a loose end: do it, or open an issue"),
    (re.compile(r"BEGIN (RSA |EC )?PRIVATE " + r"KEY"), "a private key"),
]
EXEMPT = ("tests/vectors/", "tests/fuzz/corpus/", "LICENSE")
# What shows how a key is recognised needs its first line.
KEY_MARKERS_ALLOWED = (".cpp", ".hpp", ".py")

PAGE = re.compile(r"\bdocs/[\w./-]+\.md\b")

problems, checked = [], 0
for path in _tree.files():
    if path.startswith(EXEMPT):
        continue
    checked += 1
    for number, line in enumerate(_tree.text(path).splitlines(), 1):
        for pattern, why in FORBIDDEN:
            if why == "a private key" and path.endswith(KEY_MARKERS_ALLOWED):
                continue
            if pattern.search(line):
                problems.append(f"{path}:{number}: {why}")
        for page in PAGE.findall(line):
            if not os.path.isfile(os.path.join(_tree.ROOT, page)):
                problems.append(f"{path}:{number}: names {page}, which is not there")
_tree.end(problems, checked)
