"""The supervisor and sigv4-proxy run anywhere: one static position-independent file below 20 MB, hardened."""
import os
import re
import subprocess
import tempfile

import _tree

LIMIT = 20_000_000
STATIC = ("build-release/supervisor/supervisor", "build-release/sigv4proxy/sigv4-proxy")


def readelf(*arguments):
    return subprocess.check_output(["readelf", "-W", *arguments], text=True, stderr=subprocess.DEVNULL)


def problems_of(path):
    header, segments, dynamic = readelf("-h", path), readelf("-l", path), readelf("-d", path)
    if not re.search(r"Type:\s+DYN", header):
        yield "is not position-independent (ELF type DYN)"
    if "INTERP" in segments:
        yield "asks for a dynamic loader"
    if "(NEEDED)" in dynamic:
        yield "needs shared libraries"
    if "GNU_RELRO" not in segments or not re.search(r"BIND_NOW|FLAGS.*NOW", dynamic):
        yield "is not fully read-only after relocation"
    stack = re.search(r"GNU_STACK.*?(R[W ][E ])\s", segments)
    if not stack or "E" in stack.group(1):
        yield "has an executable stack"
    with tempfile.NamedTemporaryFile() as stripped:
        subprocess.check_call(["strip", "-o", stripped.name, path])
        size = os.path.getsize(stripped.name)
    print(f"{path}: {size / 1e6:.1f} MB stripped")
    if size >= LIMIT:
        yield f"is {size} bytes stripped, the limit is {LIMIT}"


problems, checked = [], 0
for name in STATIC:
    full = os.path.join(_tree.ROOT, name)
    checked += 1
    if not os.path.exists(full):
        problems.append(f"{name}: was not built")
        continue
    problems.extend(f"{name}: {problem}" for problem in problems_of(full))
_tree.end(problems, checked)
