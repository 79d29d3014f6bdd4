"""A client that signs its requests and each chunk of a body, written from S3's documentation; and can do each step wrong."""
import base64
import datetime
import hashlib
import hmac
import zlib

EMPTY = hashlib.sha256(b"").hexdigest()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def derived_key(secret, scope):
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


class ChunkClient:
    def __init__(self, access, secret, region="us-east-1", skew=0):
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=skew)
        self.access, self.stamp = access, now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.stamp[:8]}/{region}/s3/aws4_request"
        self.key = derived_key(secret, self.scope)

    def signature(self, *lines):
        return hmac.new(self.key, "\n".join(lines).encode(), hashlib.sha256).hexdigest()

    def head(self, method, path, payload_hash, headers):
        """The request's head, and its signature."""
        headers = {"host": "signing.test", "x-amz-content-sha256": payload_hash, "x-amz-date": self.stamp, **headers}
        names = ";".join(sorted(headers))
        canonical = "\n".join([method, path, "", *(f"{n}:{headers[n]}" for n in sorted(headers)), "", names, payload_hash])
        signature = self.signature("AWS4-HMAC-SHA256", self.stamp, self.scope, digest(canonical.encode()))
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={self.access}/{self.scope}, SignedHeaders={names}, Signature={signature}"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{method} {path} HTTP/1.1\r\nconnection: close\r\n{lines}\r\n".encode(), signature

    def chunk(self, data, previous):
        signature = self.signature("AWS4-HMAC-SHA256-PAYLOAD", self.stamp, self.scope, previous, EMPTY, digest(data))
        return f"{len(data):x};chunk-signature={signature}\r\n".encode() + data + (b"\r\n" if data else b""), signature

    def put(self, path, chunks, trailer=False):
        """The bytes of a PUT in signed chunks."""
        body = b"".join(chunks)
        mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
        line = "x-amz-checksum-crc32:" + base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        ending = len(f"{line}\r\nx-amz-trailer-signature:\r\n") + 64 if trailer else 0
        framing = sum(len(f"{len(c):x};chunk-signature=\r\n") + 64 + len(c) + 2 for c in [*chunks, b""])
        headers = {"content-length": str(framing + ending), "x-amz-decoded-content-length": str(len(body))}
        if trailer:
            headers["x-amz-trailer"] = "x-amz-checksum-crc32"
        head, previous = self.head("PUT", path, mode, headers)
        parts = [head]
        for data in [*chunks, b""]:
            framed, previous = self.chunk(data, previous)
            parts.append(framed)
        if trailer:
            signature = self.signature("AWS4-HMAC-SHA256-TRAILER", self.stamp, self.scope, previous, digest((line + "\n").encode()))
            parts.append(f"{line}\r\nx-amz-trailer-signature:{signature}\r\n".encode())
        return b"".join(parts) + b"\r\n"
