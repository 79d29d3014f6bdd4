"""Requests to sign: every odd thing that the signature's rules speak of, made from a seed; and smaller ones of a request that went wrong."""
import dataclasses
import datetime
import hashlib
import random
import re
import string
import urllib.parse

S3_FAMILY = ("s3", "s3express", "s3-outposts", "s3-object-lambda")
# docs/SIGV4.md, "What leaves", 5: those of them that a request here may have.
NEVER_SIGNED = {"accept", "accept-encoding", "amz-sdk-invocation-id", "amz-sdk-request", "connection", "content-length", "expect", "te",
                "user-agent", "via", "x-amzn-trace-id", "x-forwarded-for"}
# A signer makes its own: the client's goes.
REPLACED = {"date"}
UNSIGNED = "UNSIGNED-PAYLOAD"

NO_UTF8 = "\udcff"  # the byte FF

WORDS = ["a", "b", "Z", "photos", "2015", "report.txt", "A", "a-b", "a_b", "a.b", "index"]
ODD = ["a b", " ", "+", "a+b", "%", "%41", "100%25", "é", "e\u0301", "😀", "漢字", "ሴ", "~", "~a", "'", '"', "a=b", "a&b", "?", "#", "a:b",
       "a;b", "a,b", "@", "mac@2x.png", "!*'()", "\\", "^", "|", "[x]", "{y}", "`", "<z>", "$", "\u00a0", "\u2028", "\ufffd", "\U0010ffff",
       "-._~", "/", "ß/ü", "\x7f", "\n", "\t", "\0", "%2F", NO_UTF8]
DOTS = ["", "", ".", "..", "...", "..a", ". ."]
KEYS = ["a", "b", "A", "acl", "list-type", "prefix", "Param", "Param-3", "x-id", "X-Amz-Meta", "marker", "versionId", "1", "10", "2", "-",
        "_", "."]
NAMES = ["My-Header1", "my-header2", "MY-HEADER3", "x-custom", "X_Custom", "x-custom-a", "x.custom", "If-None-Match", "If-Match", "Cache-Control",
         "X-Amz-Meta-Color", "x-amz-meta-colour", "x-amz-meta-a_b", "x-amz-meta-a-b", "X-Amz-Acl", "x-amz-storage-class", "x-amz-tagging",
         "X-Amz-Target", "x-amz-server-side-encryption", "Content-Language", "Origin", "Referer", "Pragma", "From", "Sec-Fetch-Mode", "Max-Forwards",
         "x-amz-copy-source", "x!#$%&'*+.^_`|~a"]
# A server takes these once.
ONCE = ["content-type", "content-md5", "range", "date", "content-length", "x-amz-decoded-content-length"]
VALUES = ["", "value1", "VALUE", "a b", "a   b", "  a  b  ", "\ta\t\tb\t", 'a "b   c"', "a,b", "a, b", "a;b=c", "é ü", "漢字", "x=1&y=2", "😀  😀",
          "\u00a0x\u00a0\u00a0y", "0", "application/json; charset=utf-8", "bytes=0-99", "/bucket/a%20b", " , ", '"']
SERVICES = ["s3", "s3", "s3", "s3", "s3express", "s3-outposts", "s3-object-lambda", "execute-api", "dynamodb", "es", "sts", "lambda", "bedrock",
            "aoss", "iam"]
REGIONS = ["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1", "mx-central-1", "eusc-de-east-1"]
REGION_SETS = ["*", "us-east-1", "us-east-1,eu-west-1", "us-*", "eu-west-1,us-*"]
TRAILER = {"hmac": ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"],
           "ecdsa": ["STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
                     "STREAMING-UNSIGNED-PAYLOAD-TRAILER"]}
FIRST_DAY = datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc)


@dataclasses.dataclass(frozen=True)
class Key:
    id: str
    secret: str
    token: str = ""

    def order(self):
        return {"id": self.id, "secret": self.secret, "token": self.token}


@dataclasses.dataclass(frozen=True)
class Request:
    algorithm: str  # "hmac" or "ecdsa"
    form: str  # "header" or "query"
    method: str
    host: str
    path: str  # as it stands on the wire
    query: tuple  # its pieces, as they stand on the wire
    headers: tuple  # of (name, value), Host not among them
    body: str
    payload: str  # "" is the body's hash
    expires: int
    region: str
    service: str
    date: str
    key: Key
    harm: int  # what is changed after signing, and how

    @property
    def single(self):
        return self.service in S3_FAMILY

    @property
    def target(self):
        return "?".join([self.path, "&".join(self.query)] if self.query else [self.path])

    @property
    def encoded_path(self):
        """What AWS's clients hand to a signer: S3's canonical path; for other services what stands on the wire."""
        if not self.single:
            return self.path
        return urllib.parse.quote(urllib.parse.unquote_to_bytes(self.path), safe="/-._~")

    @property
    def pairs(self):
        """The query, decoded; a piece that is empty is none."""
        return [decoded(piece) for piece in self.query if piece]

    @property
    def body_hash(self):
        return hashlib.sha256(self.body.encode()).hexdigest()

    @property
    def payload_value(self):
        return self.payload or self.body_hash


def is_utf8(wire):
    """Whether a part of a target is that when it is decoded."""
    try:
        urllib.parse.unquote_to_bytes(wire).decode()
    except UnicodeDecodeError:
        return False
    return True


def decoded(piece):
    """One piece of a query as (name, value)."""
    return tuple(urllib.parse.unquote(part, errors="surrogateescape") for part in piece.partition("=")[::2])


def pick(chance, *weighted):
    return chance.choices([what for what, _ in weighted], [weight for _, weight in weighted])[0]


def encoded(chance, text, style, plain):
    """`text` percent-encoded: as AWS does, or as other clients do; `plain` are the delimiters that may stand."""
    out = []
    for character in text:
        stands = character in string.ascii_letters + string.digits + "-._~"
        if style == "raw" and character != NO_UTF8 and (character in plain or ord(character) > 0x7f):
            stands = True
        if style == "too much" and chance.random() < 0.3:
            stands = False
        escapes = "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogateescape"))
        out.append(character if stands else escapes.lower() if style == "lower" else escapes)
    return "".join(out)


def style_of(chance):
    return pick(chance, ("as AWS", 70), ("lower", 10), ("raw", 10), ("too much", 10))


def path_of(chance):
    style, segments = style_of(chance), []
    for _ in range(chance.randrange(6)):
        kind = pick(chance, (WORDS, 4), (ODD, 5), (DOTS, 2))
        segments.append(encoded(chance, chance.choice(kind) + (chance.choice(ODD) if kind is ODD and chance.random() < 0.3 else ""), style,
                                "!$&'()*+,;=:@"))
    return "/" + "/".join(segments)


def query_of(chance):
    style, pieces = style_of(chance), []
    for _ in range(pick(chance, (0, 30), (1, 20), (2, 20), (3, 15), (5, 10), (12, 5))):
        name = "" if chance.random() < 0.03 else chance.choice(KEYS if chance.random() < 0.6 else ODD)
        value = chance.choice(["", *WORDS, *ODD])
        piece = encoded(chance, name, style, "!$'()*,;:@/?+")
        if chance.random() < 0.85:
            piece += "=" + encoded(chance, value, style, "!$'()*,;:@/?+=")
        pieces.append(piece)
        if chance.random() < 0.15:  # the key again
            pieces.append(encoded(chance, name, style, "!$'()*,;:@/?+") + "=" + encoded(chance, chance.choice([value, *ODD]), "as AWS", ""))
    if chance.random() < 0.03:
        pieces.insert(chance.randrange(len(pieces) + 1), "")
    return tuple(pieces)


def headers_of(chance):
    lines = []
    count = pick(chance, (0, 15), (1, 20), (3, 40), (6, 20), (50, 5))
    for number in range(count):
        name = chance.choice(NAMES)
        if count == 50:
            name += f"-{number}"
        lines.append((name, chance.choice(VALUES)))
        while chance.random() < 0.2:  # the name again, and not in the same letters
            lines.insert(chance.randrange(len(lines) + 1), (name.swapcase(), chance.choice(VALUES)))
    lines += [(name.title(), chance.choice(VALUES[1:])) for name in ONCE[:4] if chance.random() < 0.15]
    lines += [(name.title(), chance.choice(VALUES[1:])) for name in sorted(NEVER_SIGNED) if chance.random() < 0.05]
    chance.shuffle(lines)
    return tuple(lines)


def key_of(chance):
    identity = "".join(chance.choices(string.ascii_uppercase + string.digits, k=16))
    secret = "".join(chance.choices(string.ascii_letters + string.digits + "+/=", k=pick(chance, (40, 8), (16, 1), (100, 1))))
    token = "".join(chance.choices(string.ascii_letters + string.digits + "+/=", k=chance.choice([100, 356, 900])))
    return Key(pick(chance, ("AKIA", 1), ("ASIA", 1)) + identity, secret, token if chance.random() < 0.4 else "")


def payload_of(chance, algorithm, form, single):
    if form == "query":
        return pick(chance, (UNSIGNED, 7), ("", 3)) if single else ""
    if not single:
        return pick(chance, ("", 8), (UNSIGNED, 2))
    return pick(chance, ("", 5), (UNSIGNED, 3), (chance.choice(TRAILER[algorithm]), 2))


def request_of(chance, key, algorithm):
    service, form = chance.choice(SERVICES), pick(chance, ("header", 6), ("query", 4))
    region = chance.choice(REGION_SETS if algorithm == "ecdsa" else REGIONS)
    host = pick(chance, (f"{service}.{chance.choice(REGIONS)}.amazonaws.com", 6), ("bucket.with.dots.s3.amazonaws.com", 1),
                ("127.0.0.1:9000", 1), ("example.amazonaws.com:8443", 1), ("x", 1))
    second = pick(chance, (chance.randrange(20 * 365 * 86400), 8), (chance.randrange(7000) * 86400, 1), (chance.randrange(7000) * 86400 - 1, 1))
    payload = payload_of(chance, algorithm, form, service in S3_FAMILY)
    headers = headers_of(chance)
    if payload.startswith("STREAMING"):
        headers += (("x-amz-decoded-content-length", "66560"),)
    return Request(
        algorithm=algorithm, form=form, method=chance.choice(["GET", "GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"]), host=host,
        path=path_of(chance), query=query_of(chance), headers=headers, body=chance.choice(["", "", "Param1=value1", '{"é": "😀"}']),
        payload=payload, expires=pick(chance, (1, 1), (604800, 1), (chance.randrange(2, 604800), 3)), region=region, service=service,
        date=(FIRST_DAY + datetime.timedelta(seconds=second)).strftime("%Y%m%dT%H%M%SZ"), key=key, harm=chance.randrange(1 << 30))


def requests(seed, count, algorithm):
    """`count` requests; the same seed gives the same ones.  A key signs about a hundred of them."""
    chance = random.Random(f"{seed} {algorithm}")
    keys = [key_of(chance) for _ in range(max(2, count // 100))]
    return [request_of(chance, chance.choice(keys), algorithm) for _ in range(count)]


# One character of the wire: escapes of several bytes stay together.
CHARACTER = re.compile(r"(?:%[89A-Fa-f][0-9A-Fa-f])+|%..|.", re.DOTALL)


def without_each(parts):
    """Shorter ones: without a half, a quarter and so on, at last without one part."""
    length = (len(parts) + 1) // 2
    while length:
        for at in range(0, len(parts), length):
            yield parts[:at] + parts[at + length:]
        length //= 2


def shorter_texts(text):
    for parts in without_each(CHARACTER.findall(text)):
        yield "".join(parts)


def shorter_pairs(pairs):
    yield from without_each(pairs)
    for at, (name, value) in enumerate(pairs):
        for shorter in shorter_texts(value):
            yield pairs[:at] + ((name, shorter),) + pairs[at + 1:]


def shorter_queries(query):
    yield from without_each(query)
    for at, piece in enumerate(query):
        for shorter in shorter_texts(piece):
            yield query[:at] + (shorter,) + query[at + 1:]


def smaller(request):
    """Requests that are this one with something less in it."""
    plain = {"method": "GET", "host": "x", "body": "", "expires": 1, "date": "20150830T123600Z", "path": "/", "query": (), "headers": ()}
    for name, value in plain.items():
        if getattr(request, name) != value:
            yield dataclasses.replace(request, **{name: value})
    if request.key.token:
        yield dataclasses.replace(request, key=dataclasses.replace(request.key, token=""))
    if request.payload and request.form == "header":
        yield dataclasses.replace(request, payload="")
    for path in shorter_texts(request.path):
        if path.startswith("/"):
            yield dataclasses.replace(request, path=path)
    for query in shorter_queries(request.query):
        yield dataclasses.replace(request, query=query)
    for headers in shorter_pairs(request.headers):
        yield dataclasses.replace(request, headers=headers)
