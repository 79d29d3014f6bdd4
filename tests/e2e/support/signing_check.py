"""Where our library and an oracle differ over the same requests, in both directions; and the smallest request that shows it."""
import concurrent.futures
import dataclasses
import itertools
import time

from e2e.support import p256
from e2e.support.signers import question
from e2e.support.signing_cases import Request, smaller
from e2e.support.signing_changes import harmed, harmless

AT_ONCE = 600  # smaller requests
PATIENCE = 60  # in seconds, for one difference


@dataclasses.dataclass
class Difference:
    request: Request
    kind: str
    ours: str
    theirs: str

    def __str__(self):
        return f"{self.kind}\n{self.request}\n--- ours\n{self.ours}\n--- theirs\n{self.theirs}"


class PublicKeys:
    """Of SigV4a: the key behind awscrt's signatures, which is computed from these alone."""

    def __init__(self, crt):
        self.crt, self.known = crt, {}

    def of(self, requests):
        """key.id: (X, Y)."""
        first = {request.key.id: request for request in requests if request.key.id not in self.known}
        if first:
            signed = self.crt.sign(2 * list(first.values()), as_ours=True)
            for identity, one, two in zip(first, signed, signed[len(first):]):
                self.known[identity] = p256.public_key(*((bytes.fromhex(each.field("Signature")), each.text) for each in (one, two)))
        return self.known


def said(signed):
    """What a reader compares."""
    return f"{signed.canonical}\n\n{signed.text}\n\n{signed.header('authorization') or signed.items}" if not signed.error else signed.error


class Check:
    """One oracle beside our library; `keys` for SigV4a."""

    def __init__(self, ours, oracle, keys=None):
        self.ours, self.oracle, self.keys = ours, oracle, keys

    def takes(self, request):
        return request.form in self.oracle.forms and not self.oracle.why_not(request)

    def differences(self, requests, ours=None):
        """One for each request, None where there is none."""
        if not requests:
            return []
        ours = ours or self.ours.sign(requests)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            as_ours, own = pool.map(lambda way: self.oracle.sign(requests, way), (True, False))
        keys = self.keys.of(requests) if self.keys else {}
        found = [self.compared(request, mine, other, keys.get(request.key.id)) for request, mine, other in zip(requests, ours, as_ours)]
        return [one or other for one, other in zip(found, self.judgements(requests, own, keys))]

    @staticmethod
    def compared(request, ours, theirs, key):
        same = not (ours.error or theirs.error) and (ours.canonical, ours.text) == (theirs.canonical, theirs.text)
        if request.algorithm == "hmac":
            same = same and ours.header("authorization") == theirs.header("authorization")
            same = same and (request.form == "header" or ours.items == theirs.items)
        else:
            same = same and ours.public_key == key and ours.field("Credential") == theirs.field("Credential")
            same = same and p256.verifies([int(number, 16) for number in key], bytes.fromhex(ours.field("Signature")), theirs.text)
        return None if same else Difference(request, "signed otherwise", said(ours), said(theirs))

    def judgements(self, requests, signed, keys):
        """Our verifier takes what the oracle signs in its own way, also in other words, and not when it was changed."""
        takers = [self.verified_by(request, keys) for request in requests]
        changes = [harmed(request, each) for request, each in zip(requests, signed)]
        orders = [question(request, each) for request, each in zip(requests, signed)]
        orders += [harmless(request, each) for request, each in zip(requests, signed)]
        orders = [{**order, **taker} for order, taker in zip(orders, takers + takers)]
        answers = self.ours.ask(orders + [order for _, order, _ in changes])
        found = []
        for number, (request, each, change) in enumerate(zip(requests, signed, changes)):
            found.append(refused(request, "our verifier refuses what the oracle signs", answers[number], each) or
                         refused(request, "our verifier refuses the same in other words", answers[number + len(requests)], each) or
                         taken(request, change, answers[number + 2 * len(requests)], each))
        return found

    @staticmethod
    def verified_by(request, keys):
        """Every second SigV4a request is verified by somebody who has awscrt's public key and no secret."""
        if keys.get(request.key.id) and request.harm % 2:
            return {"key": {"id": request.key.id, "public_key": keys[request.key.id]}}
        return {}

    def smallest(self, difference):
        """The difference of the same kind at a request of which nothing can be taken away, or what is found within PATIENCE."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            less = self.less(difference)
            if not less:
                break
            difference = less
        return difference

    def less(self, difference):
        """With as many parts smaller at once as possible."""
        old = difference.request
        found = self.same_kind(difference, itertools.islice(smaller(old), AT_ONCE))
        if not found:
            return None
        best = {}
        for one in sorted(found, key=lambda one: size(one.request), reverse=True):
            best.update({name: value for name, value in vars(one.request).items() if value != getattr(old, name)})
        together = self.same_kind(difference, [dataclasses.replace(old, **best)])
        return together[0] if together else min(found, key=lambda one: size(one.request))

    def same_kind(self, difference, requests):
        found = self.differences([request for request in requests if self.takes(request)])
        return [one for one in found if one and one.kind == difference.kind]


def size(request):
    return len(repr(request))


def refused(request, kind, answer, signed):
    if answer["ok"]:
        return None
    return Difference(request, kind, f"{answer.get('code')}: {answer['error']}\n{answer.get('canonical', '')}\n\n{answer.get('text', '')}",
                      f"{said(signed)}\n{signed.target}\n{list(signed.headers)}")


def taken(request, change, answer, signed):
    what, order, code = change
    if answer.get("code") == code:
        return None
    return Difference(request, f"after {what} our verifier should say {code}", f"{answer}\n{order}", said(signed))
