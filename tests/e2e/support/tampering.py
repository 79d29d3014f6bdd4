"""Every way to change an upload in chunks on its way: each must be refused, and leave nothing behind.

Runs inside a sandbox as well: nothing here needs more than Python.
"""
import copy
import re

from e2e.support.chunk_client import UNSIGNED_TRAILER, Upload

UNCHANGED = ("version",)  # of the head: whoever changes it changes nothing that is stored
OF_THE_HEAD = ("request line", "header", "authorization", "end of the head")


class Plan:
    """Which bytes are flipped: of the head and of the framing all, or each piece's ends and middle; of data always the latter."""

    def __init__(self, head=all, framing=all, skip=UNCHANGED):
        self.head, self.framing, self.skip = head, framing, skip

    def positions(self, kind, size):
        if kind in self.skip:
            return ()
        which = self.head if kind.startswith(OF_THE_HEAD) else self.framing
        return range(size) if which is all and kind != "data" else sorted({0, size // 2, size - 1}) if which else ()


ENDS = "each piece's ends and middle"


def flips(upload, plan):
    """(kind, the request with one bit flipped)."""
    pieces = [*upload.head, *(piece for group in upload.groups for piece in group)]
    for index, (kind, data) in enumerate(pieces):
        for at in plan.positions(kind, len(data)):
            changed = pieces[:index] + [(kind, data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])] + pieces[index + 1:]
            yield f"{kind}, byte {at}", Upload(changed[:len(upload.head)], [changed[len(upload.head):]])


def rearrangements(upload, other):
    """(what was done, the request): whole chunks and trailers moved, lost, repeated or borrowed. `other` is an upload of as many chunks."""
    def after(name, change):
        changed = copy.deepcopy(upload)
        change(changed.groups)
        return name, changed

    zero = next(index for index, group in enumerate(upload.groups) if group[0] == ("size", b"0"))
    for index in range(zero):
        yield after(f"chunk {index} left out", lambda groups: groups.pop(index))
        yield after(f"chunk {index} twice", lambda groups: groups.insert(index, groups[index]))
        yield after(f"chunk {index} of another upload", lambda groups: groups.__setitem__(index, other.groups[index]))
    yield after("two chunks exchanged", lambda groups: groups.__setitem__(slice(0, 2), groups[1::-1]))
    yield after("ends after the first chunk", lambda groups: groups.__delitem__(slice(1, zero)))
    yield after("no last chunk", lambda groups: groups.pop(zero))
    yield after("nothing after the data", lambda groups: groups.__delitem__(slice(zero, None)))
    yield after("more after the end", lambda groups: groups.append(groups[0]))
    if len(upload.groups) > zero + 2:
        yield after("no trailer", lambda groups: groups.pop(zero + 1))
        yield after("trailer twice", lambda groups: groups.insert(zero + 1, groups[zero + 1]))
        yield after("trailer of another upload", lambda groups: groups.__setitem__(zero + 1, other.groups[zero + 1]))
    if len(upload.groups[zero + 1]) > 3:
        yield after("trailer without its signature", lambda groups: groups[zero + 1].__delitem__(slice(3, None)))


def outcome(answer):
    """(status, S3's code or that of a problem document)."""
    code = re.search(rb"<Code>(\w+)</Code>|\"code\": *\"(\w+)\"", answer)
    status = re.match(rb"HTTP/1\.1 (\d+)", answer)
    return int(status.group(1)) if status else 0, (code.group(1) or code.group(2)).decode() if code else ""


# What S3 says where the body is at fault. A fault of the framing may look like either.
FRAMING = {"IncompleteBody", "InvalidChunkSizeError", "MalformedTrailerError", "InvalidRequest", "SignatureDoesNotMatch", "BadDigest"}


def expected_codes(name, mode):
    """None: any."""
    if name.startswith(OF_THE_HEAD):
        return None
    if mode == UNSIGNED_TRAILER:  # its beginning may have left, but nothing of the fault: the server has not seen it
        return FRAMING - {"SignatureDoesNotMatch"}
    return {"SignatureDoesNotMatch"} if name.startswith("data,") else FRAMING


def run(client, upload_of, plan, send):
    """Tries everything; `upload_of` is (path, chunks, mode). Returns how many were refused, and [name, status, code] of what was not."""
    path, chunks, mode = upload_of
    upload = client.upload(path, chunks, mode)
    other = client.upload(path, [bytes(reversed(data[:-1])) + b"!" for data in chunks], mode)
    refused, wrong = 0, []
    for name, changed in [*flips(upload, plan), *rearrangements(upload, other)]:
        status, code = outcome(send(bytes(changed)))
        expected = expected_codes(name, mode)
        if (400 <= status < 500 or status == 501) and (expected is None or code in expected):
            refused += 1
        else:
            wrong.append([name, status, code])
    return {"refused": refused, "wrong": wrong, "control": outcome(send(bytes(upload)))}
