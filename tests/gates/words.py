"""Words that the code may use only in the files that exist for them."""
import re

import _tree

# (what, pattern, files that may, why)
RULES = [
    ("reading the environment", r"\b(std::)?(secure_)?getenv\s*\(|\benviron\b", ("base/environment.cpp",),
     "the environment is read once, in base/environment"),
    ("throw", r"\bthrow\b", ("base/toml.hpp",), "every failure is a Result"),
    # unique_ptr<X>(new X): a private constructor, which make_unique cannot call.
    # The frames of coroutines have an allocator of their own.
    ("new", r"^(?!.*unique_ptr<).*(\bnew\s+[A-Za-z_:]|\bnew\s*\()", ("netproxy/io/task.hpp", "netproxy/io/frames.cpp"), "std::make_unique owns"),
    ("delete", r"\bdelete\s+[A-Za-z_]|\bdelete\[\]", ("netproxy/tls/", "base/wiping_delete.cpp"),
     "owners delete; OpenSSL's ex_data callbacks own raw pointers"),
    ("a shell", r"\b(std::)?system\s*\(|\bpopen\s*\(|\bexec[lv]p\w*\s*\(", (), "no program is run with privilege"),
    ("errno", r"\berrno\b", ("base/", "isolation/", "netproxy/io/dial.cpp"), "fail_errno is the one place that turns errno into an error"),
    ("std::thread", r"\bstd::thread\b", (), "std::jthread joins"),
    ("an unsafe copy", r"\b(strcpy|strcat|sprintf|gets|alloca|strtok)\s*\(", (), "std::string and snprintf"),
    ("std::cout", r"\bstd::c(out|err|log)\b", (), "printf for answers, base/log for events"),
]
# `errno` compared on the spot after a call, to tell an expected state from a failure.
ERRNO_COMPARED = re.compile(r"\berrno\s*(==|!=)\s*E[A-Z]+|\berrno\s*=\s*0\b")
# The child's last steps call execve by file descriptor.
EXEC_ALLOWED = ("isolation/child_exec.cpp",)
SECRET_MEMBER = re.compile(r"\bstd::string\s+\w*(token|secret|password|private_key)\w*_?\s*(;|=|\{)")
# Names of files, variables and labels, and placeholders: not secrets themselves.
SECRET_ALLOWED = re.compile(r"(token_file|token_out|token_path|token_env|key_file|token_type|token_id|token_endpoint|fingerprint)")


def problems_of(path, number, line):
    for what, pattern, allowed, why in RULES:
        if not re.search(pattern, line) or path.startswith(allowed):
            continue
        if what == "errno" and not re.search(r"\berrno\b", ERRNO_COMPARED.sub("", line)):
            continue
        if what == "a shell" and path in EXEC_ALLOWED:
            continue
        yield f"{path}:{number}: {what}: {why}"
    member = SECRET_MEMBER.search(line)
    if member and not SECRET_ALLOWED.search(line) and path != "base/secret.hpp":
        yield f"{path}:{number}: a secret in a std::string: use Secret"


problems, checked = [], 0
for path in _tree.files(".cpp", ".hpp", under=_tree.CODE):
    checked += 1
    before = ""
    for number, line in _tree.code_lines(path):
        # A statement that the formatter broke after `unique_ptr<X>(` still reads as one.
        joined = before.rstrip() + line.strip() if before.rstrip().endswith("(") else line
        problems.extend(problems_of(path, number, re.sub(r"=\s*delete\b", "", joined)))
        before = line
_tree.end(problems, checked)
