"""A client that signs its requests and each chunk of a body, written from S3's documentation; and can do each step wrong."""
import base64
import datetime
import hashlib
import hmac
import zlib

EMPTY = hashlib.sha256(b"").hexdigest()
SIGNED, SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
ECDSA, ECDSA_TRAILER = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"


def digest(data):
    return hashlib.sha256(data).hexdigest()


def derived_key(secret, scope):
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def joined(pieces):
    return b"".join(data for _, data in pieces)


def head_of(pieces, length):
    """With the fields that are not signed."""
    line, rest = joined(pieces).split(b"\r\n", 1)
    return line + b"\r\nconnection: close\r\ncontent-length: %d\r\n" % length + rest


class Upload:
    """A PUT in pieces [(kind, bytes)…], so that a test can change any of them: the head's, and in `groups` each chunk's and the trailer's."""

    def __init__(self, head, groups):
        self.head, self.groups = head, groups

    def __bytes__(self):
        body = b"".join(joined(group) for group in self.groups)
        return head_of(self.head, len(body)) + body


class ChunkClient:
    ALGORITHM = "AWS4-HMAC-SHA256"
    ALWAYS = {}  # signed headers of each request
    WIDTH = 64  # of a signature in a chunk or trailer

    def __init__(self, access, secret, skew=0, host="signing.test"):
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=skew)
        self.access, self.host, self.stamp = access, host, now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.stamp[:8]}/us-east-1/s3/aws4_request"
        self.key = derived_key(secret, self.scope)

    def signature(self, *lines):
        return hmac.new(self.key, "\n".join(lines).encode(), hashlib.sha256).hexdigest()

    def padded(self, signature):
        return signature.encode().ljust(self.WIDTH, b"*")

    def head_pieces(self, method, path, payload_hash, headers):
        """The request's head but for what is not signed, and its signature."""
        headers = {"host": self.host, "x-amz-content-sha256": payload_hash, "x-amz-date": self.stamp, **self.ALWAYS, **headers}
        names = ";".join(sorted(headers))
        canonical = "\n".join([method, path, "", *(f"{n}:{headers[n]}" for n in sorted(headers)), "", names, payload_hash])
        signature = self.signature(self.ALGORITHM, self.stamp, self.scope, digest(canonical.encode()))
        credential = f"authorization: {self.ALGORITHM} Credential={self.access}/{self.scope}, SignedHeaders={names}, Signature={signature}\r\n"
        return [("request line", f"{method} {path}".encode()), ("version", b" HTTP/1.1\r\n"),
                *((f"header {name}", f"{name}: {value}\r\n".encode()) for name, value in headers.items()),
                ("authorization", credential.encode()), ("end of the head", b"\r\n")], signature

    def head(self, method, path, payload_hash, headers):
        """A request without a body."""
        return bytes(Upload(self.head_pieces(method, path, payload_hash, headers)[0], []))

    def signed_chunk(self, data, previous):
        signature = self.signature(f"{self.ALGORITHM}-PAYLOAD", self.stamp, self.scope, previous, EMPTY, digest(data))
        return [("size", b"%x" % len(data)), ("extension", b";chunk-signature="), ("signature", self.padded(signature)), ("end of the line", b"\r\n"),
                *([("data", data), ("end of the data", b"\r\n")] if data else [])], signature

    def trailer(self, line, previous):
        signature = self.signature(f"{self.ALGORITHM}-TRAILER", self.stamp, self.scope, previous, digest((line + "\n").encode()))
        name, value = line.split(":")
        return [("trailer's name", f"{name}:".encode()), ("trailer's value", value.encode()), ("end of the trailer", b"\r\n"),
                ("name of the trailer's signature", b"x-amz-trailer-signature:"), ("trailer's signature", self.padded(signature)),
                ("end of the trailer's signature", b"\r\n")]

    def upload(self, path, chunks, mode=SIGNED):
        """A PUT in chunks; the empty one that ends them is added."""
        body = b"".join(chunks)
        line = "x-amz-checksum-crc32:" + base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        headers = {"x-amz-decoded-content-length": str(len(body)), **({"x-amz-trailer": "x-amz-checksum-crc32"} if mode.endswith("TRAILER") else {})}
        head, previous = self.head_pieces("PUT", path, mode, headers)
        groups = []
        for data in [*chunks, b""]:
            group, previous = self.signed_chunk(data, previous)
            groups.append(group if mode != UNSIGNED_TRAILER else [piece for piece in group if piece[0] not in ("extension", "signature")])
        if mode.endswith("TRAILER"):
            groups.append(self.trailer(line, previous)[:3 if mode == UNSIGNED_TRAILER else 6])
        groups.append([("end", b"\r\n")])
        return Upload(head, groups)

    def stream(self, path, block, count):
        """A PUT of `block`, `count` times, each a signed chunk; made piece by piece."""
        head, previous = self.head_pieces("PUT", path, SIGNED, {"x-amz-decoded-content-length": str(len(block) * count)})
        chunk, last = (len(joined(self.signed_chunk(data, previous)[0])) for data in (block, b""))
        yield head_of(head, chunk * count + last + len(b"\r\n"))
        for number in range(count + 1):
            pieces, previous = self.signed_chunk(block if number < count else b"", previous)
            yield joined(pieces)
        yield b"\r\n"


class EcdsaChunkClient(ChunkClient):
    """By SigV4a, for all regions, with a key pair: whoever verifies needs the public half alone."""
    ALGORITHM = "AWS4-ECDSA-P256-SHA256"
    ALWAYS = {"x-amz-region-set": "*"}
    WIDTH = 144

    def __init__(self, access, host="signing.test"):
        from cryptography.hazmat.primitives.asymmetric import ec  # not where a sandbox imports this module
        super().__init__(access, "", host=host)
        self.scope = f"{self.stamp[:8]}/s3/aws4_request"
        self.key = ec.generate_private_key(ec.SECP256R1())

    def public_pem(self):
        from cryptography.hazmat.primitives import serialization as forms
        return self.key.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo).decode()

    def signature(self, *lines):
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        return self.key.sign("\n".join(lines).encode(), ec.ECDSA(hashes.SHA256())).hex()
