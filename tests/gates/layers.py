"""The layers of docs/ARCHITECTURE.md: arrows go down only, and each kind of effect lives in few folders."""
import re

import _tree

# Which of our folders a folder may include, itself and base aside.  Longest match wins.
MAY_INCLUDE = {
    "base": (),
    "isolation": (),
    "netproxy": ("netproxy",),
    "identity": ("identity", "proto", "netproxy/credentials.hpp", "netproxy/policy/model.hpp", "netproxy/endpoint_binding.hpp",
                 "netproxy/policy/glob.hpp", "netproxy/policy/percent.hpp", "netproxy/guard", "netproxy/http/head_parser.hpp", "netproxy/sigv4"),
    "gateway": ("gateway", "identity/jwt", "identity/http", "identity/grant", "identity/rpc/grant_wire.hpp", "proto", "netproxy/policy", "netproxy/endpoint_binding.hpp", "netproxy/sigv4/derived_keys.hpp"),
    "supervisor": ("supervisor", "isolation", "identity", "netproxy"),
    "sigv4proxy": ("sigv4proxy", "identity/aws", "netproxy"),
}
# Pure folders: what they must not include at all.
PURE = ("netproxy/sigv4", "netproxy/http", "netproxy/policy", "netproxy/guard", "identity/jwt", "identity/grant", "gateway/authn", "gateway/guard")
EFFECTS = re.compile(r"<(grpcpp/|boost/asio|spdlog/|sys/socket\.h|sys/mount\.h|fcntl\.h|fstream|chrono_io|poll\.h|sys/epoll\.h)")
PURE_MAY_NOT_INCLUDE = ("netproxy/io", "netproxy/audit", "isolation", "base/log.hpp", "base/file.hpp")
# A system or library header, and the only places that may include it.
CONFINED = {
    r"<grpcpp/": ("identity/rpc/", "identity/spiffe/", "gateway/rpc/", "gateway/operator/", "supervisor/debug_rpc"),
    r"<boost/": ("gateway/http/", "identity/http/"),
    r"<sys/mount\.h>": ("isolation/",),
    r"<sys/capability\.h>": ("isolation/",),
    r"<seccomp\.h>": ("isolation/",),
    r"<linux/(landlock|seccomp|filter)\.h>": ("isolation/",),
    r"<openssl/": ("base/", "netproxy/tls/", "gateway/certgen", "netproxy/sigv4/", "identity/http/"),
    r"<sqlite3\.h>": ("gateway/store/",),
    r"<libpq-fe\.h>": ("gateway/store/",),
    r"<yaml-cpp/": ("netproxy/policy/",),
    r"<CLI/": ("supervisor/options", "sigv4proxy/options", "gateway/"),
    r"<toml\+\+/": ("base/toml",),
    r"<spdlog/": ("base/log",),
    r"<ares\.h>": ("netproxy/io/",),
    r"<nghttp2/": ("netproxy/http/", "netproxy/io/"),
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"][^>"]+[>"])')


def own_target_problem(path, target):
    folder = path.split("/")[0]
    allowed = ("base",) + MAY_INCLUDE[folder] + (folder,)
    if not any(target == a or target.startswith(a + "/") for a in allowed):
        return f"includes {target}: {folder} may include {', '.join(allowed)}"
    if path.startswith(PURE) and target.startswith(PURE_MAY_NOT_INCLUDE):
        return f"is pure and must not include {target}"
    return None


def problem_of(path, include):
    name = include[1:-1]
    if include[0] == '"':
        if name.split("/")[0] in _tree.CODE:
            return own_target_problem(path, name)
        return None
    for pattern, places in CONFINED.items():
        if re.match(pattern, include) and not path.startswith(places):
            return f"includes {include}: only {', '.join(places)} may"
    if path.startswith(PURE) and EFFECTS.match(include):
        return f"is pure and must not include {include}"
    return None


problems, checked = [], 0
for path in _tree.files(".cpp", ".hpp", under=_tree.CODE):
    checked += 1
    for number, line in enumerate(_tree.text(path).splitlines(), 1):
        found = INCLUDE.match(line)
        problem = problem_of(path, found.group(1)) if found else None
        if problem:
            problems.append(f"{path}:{number}: {problem}")
_tree.end(problems, checked)
