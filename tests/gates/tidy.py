"""The short clang-tidy list of .clang-tidy, each entry an error, over all of our code.

A file whose bytes, headers of ours, options and checks are the same as in a run that found nothing is not looked at again
(kept below the cache folder), so only the first run takes long.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys

import _tree

TREE = os.path.join(_tree.ROOT, "build-asan")
CACHE = os.path.join(os.environ.get("KEYWARD_CACHE", os.path.expanduser("~/.cache/keyward")), "tidy")
# Options of gcc that clang does not know.
EXTRA = ["--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wno-everything", "--quiet"]


def own_headers():
    """{object: [our files that it was made from]} as ninja knows it."""
    deps, current = {}, None
    for line in subprocess.check_output(["ninja", "-C", TREE, "-t", "deps"], text=True).splitlines():
        if line and not line.startswith(" "):
            current = deps.setdefault(line.split(": #deps")[0], [])
        elif line.strip() and current is not None:
            path = os.path.realpath(os.path.join(TREE, line.strip()))
            if path.startswith(_tree.ROOT + "/"):
                current.append(path)
    return deps


def digest(entry, headers, salt):
    key = hashlib.sha256(salt)
    key.update(re.sub(re.escape(_tree.ROOT), "", entry["command"]).encode())
    for path in sorted({os.path.join(TREE, entry["file"])} | set(headers)):
        with open(path, "rb") as file:
            key.update(os.path.relpath(os.path.realpath(path), _tree.ROOT).encode() + b"\0" + file.read())
    return key.hexdigest()


def look(entry, key):
    mark = os.path.join(CACHE, key)
    if os.path.exists(mark):
        return entry["file"], "", True
    run = subprocess.run(["clang-tidy-19", "-p", TREE, *EXTRA, os.path.join(TREE, entry["file"])],
                         capture_output=True, text=True, cwd=TREE)
    if run.returncode == 0:
        open(mark, "w").close()
        return entry["file"], "", False
    return entry["file"], run.stdout + (run.stderr if not run.stdout else ""), False


def main():
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(TREE, "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    version = subprocess.check_output(["clang-tidy-19", "--version"])
    salt = version + _tree.text(".clang-tidy").encode()
    deps, work = own_headers(), {}
    for entry in commands:
        path = os.path.relpath(os.path.realpath(os.path.join(TREE, entry["file"])), _tree.ROOT)
        if path.split("/")[0] in _tree.CODE:
            work[path] = (entry, digest(entry, deps.get(entry["output"], []), salt))
    problems, kept = [], 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for _, output, cached in pool.map(lambda item: look(*item), work.values()):
            kept += cached
            problems += [line for line in output.splitlines() if re.search(r": (error|warning):", line)]
            if output and not problems:
                problems.append(output)
    print(f"{kept} of {len(work)} unchanged since a clean run")
    _tree.end(sorted({problem.replace(_tree.ROOT + "/", "") for problem in problems}), len(work))


if __name__ == "__main__":
    sys.exit(main())
