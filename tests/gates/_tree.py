"""What every gate needs: the files of the repository, and one way to say what is wrong."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CODE = ("base", "isolation", "identity", "netproxy", "gateway", "supervisor", "sigv4proxy")


def files(*endings, under=()):
    """Paths relative to the root, of files that git knows or would add."""
    listed = subprocess.check_output(
        ["git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
    for path in sorted(set(listed.decode().split("\0")) - {""}):
        if endings and not path.endswith(endings):
            continue
        if under and path.split("/")[0] not in under:
            continue
        if os.path.isfile(os.path.join(ROOT, path)):
            yield path


def text(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def code_lines(path):
    """(number, line) without `//` comments and without string literals' contents: what the compiler acts on."""
    for number, line in enumerate(text(path).splitlines(), 1):
        yield number, strip(line)


def strip(line):
    out, inside, i = [], False, 0
    while i < len(line):
        char = line[i]
        if inside:
            if char == "\\":
                i += 1
            elif char == '"':
                inside = False
                out.append(char)
        elif line.startswith("//", i):
            break
        else:
            inside = char == '"' and not line.startswith("'\"'", i - 1)
            out.append(char)
        i += 1
    return "".join(out)


def end(problems, checked):
    """Ends the gate.  A gate that looked at nothing has failed."""
    for problem in problems:
        print(problem)
    print(f"{checked} checked, {len(problems)} against the rule")
    sys.exit(1 if problems or not checked else 0)
