"""What happens to a signed request on its way: changes that a signature must not survive, and changes that mean the same."""
import random
import re

from e2e.support.signers import question
from e2e.support.signing_cases import ONCE

MISMATCH, DENIED = "SignatureDoesNotMatch", "AccessDenied"
AUTHENTICATION = ("x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-region-set", "authorization")


class Change:
    """A signed request in parts, to be changed and asked about."""

    def __init__(self, request, signed, chance):
        self.request, self.signed, self.chance = request, signed, chance
        self.path, self.pieces, self.headers = signed.path, list(signed.pieces), list(signed.headers)
        self.others = {}

    def question(self):
        target = "?".join([self.path, "&".join(self.pieces)] if self.pieces else [self.path])
        return question(self.request, self.signed, target=target, headers=self.headers, **self.others)

    def edit(self, header, item, how):
        """`how` of the value of the header or, in a presigned URL, of the item; False: there is none."""
        if self.request.form == "query":
            return self.edit_piece(lambda piece: piece.startswith(item + "="), lambda piece: item + "=" + how(piece.partition("=")[2]))
        return self.edit_line(lambda name: name == header, how)

    def edit_piece(self, chosen, how):
        at = [number for number, piece in enumerate(self.pieces) if chosen(piece)]
        if at:
            number = self.chance.choice(at)
            self.pieces[number] = how(self.pieces[number])
        return bool(at)

    def edit_line(self, chosen, how):
        at = [number for number, (name, _) in enumerate(self.headers) if chosen(name.lower())]
        if at:
            number = self.chance.choice(at)
            self.headers[number] = (self.headers[number][0], how(self.headers[number][1]))
        return bool(at)

    def own(self, name):
        """Of the header lines that the request itself has, whether the signature covers it."""
        return name in self.signed.names and name not in AUTHENTICATION and name != "host"


def other_digit(change):
    def flip(value):  # ends with the signature
        at = change.chance.randrange(value.rfind("=") + 1, len(value))
        return value[:at] + ("0" if value[at] != "0" else "1") + value[at + 1:]
    return change.edit("authorization", "X-Amz-Signature", flip)


def other_method(change):
    change.others["method"] = "POST" if change.request.method != "POST" else "PUT"
    return True


def other_host(change):
    return change.edit_line(lambda name: name == "host", lambda value: "x" + value)


def other_path(change):
    change.path += "/x"
    return True


def one_item_more(change):
    change.pieces.insert(0, "zz=1")
    return True


def other_item(change):
    return change.edit_piece(lambda piece: not piece.lower().startswith("x-amz-"), lambda piece: piece + ("" if "=" in piece else "=") + "x")


def one_item_less(change):
    own = [piece for piece in change.pieces if not piece.lower().startswith("x-amz-")]
    if own:
        change.pieces.remove(change.chance.choice(own))
    return bool(own)


def other_header(change):
    return change.edit_line(change.own, lambda value: value + "x")


def header_again(change):
    names = [name for name, _ in change.headers if change.own(name.lower()) and name.lower() not in ONCE]
    if names:
        change.headers.append((change.chance.choice(names), "again"))
    return bool(names)


def header_gone(change):
    names = sorted({name.lower() for name, _ in change.headers if change.own(name.lower())})
    gone = change.chance.choice(names) if names else ""
    change.headers = [line for line in change.headers if line[0].lower() != gone]
    return bool(names)


def repeated_the_other_way_round(change):
    values = {}
    for name, value in change.headers:
        if change.own(name.lower()):
            values.setdefault(name.lower(), []).append(re.sub("[ \t]+", " ", value.strip(" \t")))
    names = sorted(name for name, given in values.items() if ",".join(given) != ",".join(reversed(given)))
    if names:
        chosen = change.chance.choice(names)
        at = [number for number, (name, _) in enumerate(change.headers) if name.lower() == chosen]
        lines = [change.headers[number] for number in at]
        for number, line in zip(at, reversed(lines)):
            change.headers[number] = line
    return bool(names)


def unsigned_amz_header(change):
    change.headers.append(("x-amz-website-redirect-location", "/evil"))
    return True


def other_second(change):
    return change.edit("x-amz-date", "X-Amz-Date", lambda value: value[:-2] + str(int(value[-2]) ^ 1) + "Z")


def other_expiry(change):
    def longer(value):
        return str(int(value) + 1 if int(value) < 604800 else int(value) - 1)
    return change.edit_piece(lambda piece: piece.startswith("X-Amz-Expires="), lambda piece: "X-Amz-Expires=" + longer(piece.partition("=")[2]))


def other_payload(change):
    """Only what the request says of its body, or, where it says nothing, the body itself."""
    if not change.edit("x-amz-content-sha256", "X-Amz-Content-Sha256", lambda value: "f" * 64):
        if change.request.form == "query" and change.request.single:
            return False
        change.others["body_hash"] = "f" * 64
    return True


def other_token(change):
    return change.edit("x-amz-security-token", "X-Amz-Security-Token", lambda value: value + "A")


def other_region(change):
    """The server asks for the region that the request now names."""
    if change.request.algorithm == "ecdsa":
        return change.edit("x-amz-region-set", "X-Amz-Region-Set", lambda value: "ap-south-2")
    change.others["region"] = "ap-south-2"
    slash = "%2F" if change.request.form == "query" else "/"
    pair = slash + change.request.region + slash
    return change.edit("authorization", "X-Amz-Credential", lambda value: value.replace(pair, f"{slash}ap-south-2{slash}"))


def other_secret(change):
    change.others["key"] = {"id": change.request.key.id, "secret": change.request.key.secret + "x"}
    return True


# What is changed, and the error that a server gives.
HARM = [(other_digit, MISMATCH), (other_method, MISMATCH), (other_host, MISMATCH), (other_path, MISMATCH), (one_item_more, MISMATCH),
        (other_item, MISMATCH), (one_item_less, MISMATCH), (other_header, MISMATCH), (header_again, MISMATCH), (header_gone, DENIED),
        (repeated_the_other_way_round, MISMATCH), (unsigned_amz_header, DENIED), (other_second, MISMATCH), (other_expiry, MISMATCH),
        (other_payload, MISMATCH), (other_token, MISMATCH), (other_region, MISMATCH), (other_secret, MISMATCH)]


def harmed(request, signed):
    """(what was changed, the question, the error that must come): one change, drawn by the request itself."""
    chance = random.Random(request.harm)
    for harm, code in chance.sample(HARM, len(HARM)):
        change = Change(request, signed, chance)
        if harm(change):
            return harm.__name__, change.question(), code
    raise AssertionError("each request has a method")


def harmless(request, signed):
    """The same request in other words: order, letters of names and escapes, blanks."""
    chance = random.Random(request.harm)
    change = Change(request, signed, chance)
    chance.shuffle(change.pieces)
    change.pieces = [re.sub("%..", lambda escape: chance.choice([str.lower, str.upper])(escape.group()), piece) for piece in change.pieces]
    if request.single:
        change.path = re.sub("%..", lambda escape: escape.group().lower(), change.path)
    change.headers = [(name.swapcase(), value.replace(" ", " \t ") if change.own(name.lower()) else value) for name, value in change.headers]
    change.headers.append(("X-Added-On-The-Way", "1"))
    return change.question()
