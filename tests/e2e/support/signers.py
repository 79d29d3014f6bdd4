"""Those who sign the same requests: our library (tests/oracles/sigv4_probe) and signers of other hands, each asked in batches."""
import collections
import dataclasses
import datetime
import functools
import json
import os
import re
import subprocess
import unittest
import urllib.parse

from e2e.support import tools
from e2e.support.machine import ROOT
from e2e.support.signing_cases import NEVER_SIGNED, REPLACED, UNSIGNED, decoded, is_utf8

PROBE = "tests/oracles/sigv4_probe"
CRT_SIGNER = os.path.join(ROOT, "tests/peers/awscrt/signer.py")


@dataclasses.dataclass
class Signed:
    """A request as it leaves, and what its signature covers; `error` instead where the signer would not sign."""
    target: str = ""
    headers: tuple = ()
    canonical: str = ""
    text: str = ""
    public_key: tuple = ()
    error: str = ""

    def header(self, name):
        return next((value for line, value in self.headers if line.lower() == name), "")

    @property
    def path(self):
        return self.target.partition("?")[0]

    @property
    def pieces(self):
        return [piece for piece in self.target.partition("?")[2].split("&") if piece]

    @functools.cached_property
    def items(self):
        """The query, decoded and sorted: signers differ in its order."""
        return sorted(decoded(piece) for piece in self.pieces)

    def field(self, name):
        """Of the signature's own: a parameter of Authorization, or the query's item."""
        if not self.header("authorization"):
            return next((value for key, value in self.items if key == "X-Amz-" + name), "")
        found = re.search(rf"\b{name}=([^, ]*)", self.header("authorization"))
        return found.group(1) if found else ""

    @functools.cached_property
    def names(self):
        return self.field("SignedHeaders").split(";")


def batch(command, orders, **options):
    """Each order's answer."""
    lines = "".join(json.dumps(order) + "\n" for order in orders)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=500, **options)
    answers = [json.loads(line) for line in done.stdout.split("\n") if line]
    if done.returncode or len(answers) != len(orders):
        raise RuntimeError(f"{command[0]}: status {done.returncode}, {len(answers)} answers to {len(orders)} orders: {done.stderr[-2000:]}")
    return answers


class Ours:
    """tests/oracles/sigv4_probe of one tree."""

    def __init__(self, tree):
        self.program = os.path.join(ROOT, f"build-{tree}", PROBE)
        if not os.path.exists(os.path.join(ROOT, f"build-{tree}", "build.ninja")):
            raise unittest.SkipTest(f"build-{tree} was not built")
        subprocess.run(["ninja", "-C", os.path.join(ROOT, f"build-{tree}"), PROBE], check=True, stdout=subprocess.DEVNULL)

    def ask(self, orders):
        return batch([self.program], orders, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "halt_on_error=1"})

    def sign(self, requests):
        answers = self.ask([sign_order(request) for request in requests])
        return [Signed(error=answer["error"]) if "error" in answer else
                Signed(answer["target"], tuple(map(tuple, answer["headers"])), answer["canonical"], answer["text"],
                       tuple(answer.get("public_key", ()))) for answer in answers]


def sign_order(request):
    return {"do": "sign", "form": request.form, "method": request.method, "host": request.host, "target": request.target,
            "headers": request.headers, "payload": request.payload_value, "expires": request.expires, "algorithm": request.algorithm,
            "region": request.region, "service": request.service, "date": request.date, "key": request.key.order()}


def question(request, signed, **changes):
    """Whether a server of the request's service takes what was signed, in the middle of its life."""
    when = datetime.datetime.strptime(request.date, "%Y%m%dT%H%M%SZ")
    when += datetime.timedelta(seconds=request.expires // 2 if request.form == "query" else 600)
    return {"do": "verify", "method": request.method, "target": signed.target, "headers": signed.headers, "body_hash": request.body_hash,
            "region": "" if request.algorithm == "ecdsa" else request.region, "service": request.service, "payload": request.payload_value,
            "date": when.strftime("%Y%m%dT%H%M%SZ"), "key": {"id": request.key.id, "secret": request.key.secret}, **changes}


def signed_names(request):
    """The headers that our signer is to sign."""
    return {"host"} | {name.lower() for name, _ in request.headers} - NEVER_SIGNED - REPLACED


def lines_for(request, names):
    """The header lines that a signer gets: those of `names`, or all."""
    lines = (("Host", request.host), *request.headers)
    return lines if names is None else [(name, value) for name, value in lines if name.lower() in names]


def on_the_wire(lines, after):
    """The lines as the client sends them, with what the signer added and without what it took away."""
    final = {name.lower(): (name, value) for name, value in after}
    kept = [(name, value) for name, value in lines if name.lower() in final]
    known = {name.lower() for name, _ in kept}
    return tuple(kept) + tuple(line for name, line in final.items() if name not in known)


def repeats(pairs):
    return max(collections.Counter(name for name, _ in pairs).values(), default=0) > 1


class Signer:
    """One oracle.  `departures`: (what it does otherwise than AWS and who says so, which requests show it); those it is not asked."""
    name, algorithm = "", "hmac"
    forms = ("header", "query")
    departures = ()

    def why_not(self, request):
        return next((why for why, shows in self.departures if shows(request)), None)

    @staticmethod
    def says_hash(request, as_ours):
        """Who has the whole body may leave x-amz-content-sha256 out, but not with S3."""
        return as_ours or request.single or request.payload != "" or request.harm % 2 == 0

    def sign(self, requests, as_ours):
        """as_ours: exactly the headers that ours signs, and nothing moved; else as the signer does it for its own users."""
        raise NotImplementedError


class Npm(Signer):
    def __init__(self):
        self.node, self.folder = tools.node(), tools.node_peers()

    def order(self, request, as_ours):
        names = signed_names(request) if as_ours else None
        grouped = {}
        for name, value in lines_for(request, names):  # the signers take one value for each name
            known = next((old for old in grouped if old.lower() == name.lower()), name)
            grouped[known] = f"{grouped[known]},{value.strip(' ' + chr(9))}" if known in grouped else value.strip(" \t")
        return {"signer": self.name, "form": request.form, "method": request.method, "host": request.host, "path": request.encoded_path,
                "query": request.pairs, "target": request.target, "headers": grouped, "body": request.body, "payload": request.payload_value,
                "date": datetime.datetime.strptime(request.date, "%Y%m%dT%H%M%SZ").isoformat() + "Z", "expires": request.expires,
                "region": request.region, "service": request.service, "single": request.single, "names": names and sorted(names),
                "hash_header": self.says_hash(request, as_ours), "key": request.key.order()}

    def sign(self, requests, as_ours):
        orders = [self.order(request, as_ours) for request in requests]
        answers = batch([self.node, "signers.mjs"], orders, cwd=self.folder)
        return [Signed(error=answer["error"]) if "error" in answer else self.signed(request, answer)
                for request, answer in zip(requests, answers)]

    @staticmethod
    def signed(request, answer):
        target = request.target
        if request.form == "query":
            quoted = ["=".join(urllib.parse.quote(part, safe="-._~") for part in pair) for pair in answer["query"]]
            target = request.path + "?" + "&".join(quoted)
        headers = on_the_wire(lines_for(request, None), answer["headers"].items())
        return Signed(target, headers, answer["canonical"], answer["text"])


class Smithy(Npm):
    name = "smithy"
    departures = (
        ("takes a query of decoded strings, which hold no bytes that are no UTF-8 (aws-c-auth: any byte)",
         lambda r: not is_utf8("&".join(r.query))),)


class SmithyEvents(Npm):
    """Of event streams: each order's messages."""
    name = "smithy-events"

    def messages(self, orders):
        answers = batch([self.node, "signers.mjs"], [{**order, "signer": self.name} for order in orders], cwd=self.folder)
        return [answer.get("messages", answer) for answer in answers]


class SmithyV4a(Smithy):
    name, algorithm = "smithy-v4a", "ecdsa"
    forms = ("header",)


class Aws4(Npm):
    name = "aws4"
    departures = (
        ("knows S3's rules for the service s3 only (AWS's endpoint rules: disableDoubleEncoding for s3express and the others)",
         lambda r: r.single and r.service != "s3"),
        ("s3: signs only the first value of a repeated key (get-vanilla-query-order-value: all of them)",
         lambda r: r.service == "s3" and repeats(r.pairs)),
        ("leaves out items without a name (aws-c-auth keeps them)", lambda r: any(name == "" for name, _ in r.pairs)),
        ("reads a + of the query as a blank (S3 API Reference, UriEncode: a blank is %20)", lambda r: any("+" in piece for piece in r.query)),
        ("s3: reads a + of the path as a blank (S3 API Reference, UriEncode: + is no blank)", lambda r: r.service == "s3" and "+" in r.path),
        ("decodes paths and queries as UTF-8 (aws-c-auth: any byte)", lambda r: not is_utf8(r.target)),
        ("folds every blank of Unicode (aws-c-auth: ASCII's)",
         lambda r: any(re.search(r"[^\S\t ]", value) for _, value in r.headers)),
        ("encodes a target anew that is not ASCII (get-vanilla-utf8-query: once)", lambda r: not r.target.isascii()),
        ("s3: presigns UNSIGNED-PAYLOAD whatever X-Amz-Content-Sha256 says (S3 API Reference, query parameters)",
         lambda r: r.service == "s3" and r.form == "query" and r.payload != UNSIGNED))


class Crt(Signer):
    name = "awscrt"

    def __init__(self, log):
        self.log, self.python = log, os.path.join(tools.venv("awscrt", f"awscrt=={tools.AWSCRT}"), "bin/python3")

    def order(self, request, as_ours):
        names = signed_names(request) if as_ours else None
        target = request.encoded_path + request.target[len(request.path):]
        if request.form == "query" and request.single and request.payload != UNSIGNED:  # it adds none itself
            target += ("&" if "?" in target else "?") + "X-Amz-Content-Sha256=" + request.payload_value
        return {"algorithm": self.algorithm, "form": request.form, "method": request.method, "target": target,
                "headers": lines_for(request, names), "names": names and sorted(names), "payload": request.payload_value,
                "hash_header": request.form == "header" and self.says_hash(request, as_ours),
                "date": request.date, "expires": request.expires, "region": request.region, "service": request.service,
                "single": request.single, "key": request.key.order()}

    def sign(self, requests, as_ours):
        log = f"{self.log}.{'as-ours' if as_ours else 'own'}"
        if os.path.exists(log):
            os.unlink(log)
        answers = batch([self.python, CRT_SIGNER, log], [self.order(request, as_ours) for request in requests])
        told = iter(self.told(log))
        return [Signed(error=answer["error"]) if "error" in answer else self.signed(request, answer, *next(told))
                for request, answer in zip(requests, answers)]

    @staticmethod
    def told(path):
        """(canonical request, string to sign) of each request that was signed."""
        with open(path, encoding="utf-8", errors="replace") as log:
            entries = re.split(r"^\[[A-Z]+\] \[", log.read(), flags=re.MULTILINE)
        canonical, texts = ([entry.partition("\n")[2].removesuffix("\n\n") for entry in entries if f"successfully built {what}" in entry]
                            for what in ("canonical request", "string-to-sign"))
        return list(zip(canonical, texts))

    @staticmethod
    def signed(request, answer, canonical, text):
        target = answer["target"]
        return Signed(request.path + target[len(request.encoded_path):], tuple(map(tuple, answer["headers"])), canonical, text)


class CrtV4a(Crt):
    name, algorithm = "awscrt-v4a", "ecdsa"
