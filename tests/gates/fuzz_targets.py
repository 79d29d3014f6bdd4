"""Every parser of foreign bytes has a fuzz target with seeds, or a stated reason why another target reaches it."""
import os
import re

import _tree

# A header that declares parsers -> the fuzz target that feeds it.
TARGETS = {
    "base/http_date.hpp": "http_date",
    "netproxy/http/head_parser.hpp": "http_head",
    "netproxy/http/chunked.hpp": "chunked",
    "netproxy/http/target.hpp": "http_head",
    "netproxy/policy/yaml.hpp": "policy_file",
    "netproxy/policy/policy.hpp": "canonical_path",
    "netproxy/policy/readings.hpp": "policy_file",
    "netproxy/sigv4/aws_chunked.hpp": "chunk_resign",
    "netproxy/sigv4/canonical.hpp": "canonical_request",
    "netproxy/sigv4/claim.hpp": "request_verifier",
    "netproxy/sigv4/host_target.hpp": "host_target",
    "identity/aws/answers.hpp": "aws_answers",
    "identity/aws/chain.hpp": "aws_answers",
    "identity/aws/shared_files.hpp": "aws_answers",
    "isolation/launch_channel.hpp": "launch_channel",
    "identity/jwt/json_object.hpp": "jwt",
    "identity/jwt/keys.hpp": "jwt",
    "identity/jwt/jws.hpp": "jwt",
    "identity/jwt/jwks.hpp": "issuer",
    "identity/jwt/spiffe_id.hpp": "jwt_svid",
    "identity/grant/answer.hpp": "grant_answer",
    "identity/grant/metadata.hpp": "grant_answer",
    "identity/grant/wire_key.hpp": "wire_key",
    "identity/spiffe/x509_svid.hpp": "x509_svid",
    "gateway/cli/credentials_file.hpp": "credentials_file",
    "gateway/config_file.hpp": "config_file",
}
# Parsers whose bytes come from root's own files and options, or that a listed target calls.
REACHED_OTHERWISE = {
    "gateway/rpc/sandbox_spec.hpp": "a selector of one line, by a user with a role; table tests",
    "gateway/options.hpp": "the operator's command line, parsed by CLI11",
    "identity/token/source.hpp": "reads a token by identity/jwt/sandbox_token, which jwt feeds",
    "supervisor/debug_answer.hpp": "the control socket: both ends are ours and uid 0 (SO_PEERCRED); table tests",
    "sigv4proxy/listen.hpp": "the operator's command line; table tests",
    "sigv4proxy/options.hpp": "the operator's command line, parsed by CLI11",
    "supervisor/options.hpp": "the operator's command line, parsed by CLI11",
    "supervisor/local_credentials.hpp": "a file that only root can write, parsed by toml++",
    "isolation/users.hpp": "the image's passwd; table tests with hostile lines",
    "isolation/mountinfo.hpp": "the kernel's own file",
    "isolation/plan.hpp": "the operator's options",
    "identity/spiffe/endpoint.hpp": "the operator's own variables and options; table tests",
    "netproxy/endpoint_binding.hpp": "the operator's own files, and the gateway's answers; table tests",
    "netproxy/guard/address.hpp": "reached by http_head through CONNECT targets; table tests",
}
PARSER = re.compile(r"\b(parse_\w+|decode_\w+)\s*\(|\bclass\s+\w*(Parser|Decoder)\b")

with open(os.path.join(_tree.ROOT, "tests/fuzz/meson.build"), encoding="utf-8") as file:
    built = set(re.findall(r"\['(\w+)'", file.read()))
problems, checked = [], 0
for path in _tree.files(".hpp", under=tuple(c for c in _tree.CODE if c != "base")):
    if not any(PARSER.search(line) for _, line in _tree.code_lines(path)):
        continue
    checked += 1
    if path not in TARGETS and path not in REACHED_OTHERWISE:
        problems.append(f"{path}: declares a parser and no fuzz target is named for it in tests/gates/fuzz_targets.py")
for path, target in TARGETS.items():
    if not os.path.exists(os.path.join(_tree.ROOT, path)):
        problems.append(f"{path}: named in the table and does not exist")
    elif target not in built:
        problems.append(f"{path}: its fuzz target {target} is not in tests/fuzz/meson.build")
for target in built:
    corpus = os.path.join(_tree.ROOT, "tests/fuzz/corpus", target)
    if not os.path.isdir(corpus) or not os.listdir(corpus):
        problems.append(f"tests/fuzz/corpus/{target}: has no seeds")
_tree.end(problems, checked)
