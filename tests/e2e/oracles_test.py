"""AWS's own signers beside ours, over thousands of generated requests and both ways round.

What ours signs, they sign with the same bytes (SigV4a: the same canonical request and string to sign, and ours verifies with the key behind
awscrt's signatures).  What they sign in their own way, our verifier takes, and refuses with S3's error after one change.  A difference is
made as small as it gets.  KEYWARD_ORACLES=SEED:COUNT draws other requests than the usual ones.
"""
import datetime
import functools
import os
import random

from e2e.suite import Case
from e2e.support.signers import Aws4, Crt, CrtV4a, Ours, Smithy, SmithyEvents, SmithyV4a, question, sign_order
from e2e.support.signing_cases import requests
from e2e.support.signing_changes import HARM, harmed
from e2e.support.signing_check import Check, PublicKeys

SEED, COUNT = (int(number) for number in os.environ.get("KEYWARD_ORACLES", "20150830:10000").split(":"))
SHARE = {"hmac": 0.8, "ecdsa": 0.2}


@functools.cache
def drawn(algorithm):
    return requests(SEED, int(COUNT * SHARE[algorithm]), algorithm)


@functools.cache
def ours_of(tree):
    return Ours(tree)


@functools.cache
def signed_by_ours(algorithm):
    return ours_of("release").sign(drawn(algorithm))


@functools.cache
def public_keys(folder):
    return PublicKeys(CrtV4a(os.path.join(folder, "keys")))


class OraclesTest(Case):
    def setUp(self):
        self.ours = ours_of("release")
        self.folder = self.world.machine.folder("oracles")

    def log(self, name):
        return os.path.join(self.folder, name)

    def check(self, oracle):
        return Check(self.ours, oracle, public_keys(self.folder) if oracle.algorithm == "ecdsa" else None)

    def agree(self, oracle, share):
        """At least this share of the drawn requests is for the oracle, and over none of them it differs."""
        check, all_drawn = self.check(oracle), drawn(oracle.algorithm)
        chosen = [(request, ours) for request, ours in zip(all_drawn, signed_by_ours(oracle.algorithm)) if check.takes(request)]
        print(f"         {oracle.name}: {len(chosen)} of {len(all_drawn)} requests, seed {SEED}", flush=True)
        self.assertGreaterEqual(len(chosen), share * len(all_drawn))
        found = [one for one in check.differences([request for request, _ in chosen], [ours for _, ours in chosen]) if one]
        if found:
            kinds = list({one.kind: one for one in found}.values())
            self.fail(f"{len(found)} of {len(chosen)} requests in {len(kinds)} ways, KEYWARD_ORACLES={SEED}:{COUNT}\n\n"
                      + "\n\n".join(str(check.smallest(one)) for one in kinds[:3]))

    def test_smithy(self):
        self.agree(Smithy(), 0.9)

    def test_aws4(self):
        self.agree(Aws4(), 0.35)

    def test_awscrt(self):
        self.agree(Crt(self.log("awscrt")), 1)

    def test_smithy_v4a(self):
        self.agree(SmithyV4a(), 0.4)

    def test_awscrt_v4a(self):
        self.agree(CrtV4a(self.log("awscrt-v4a")), 1)

    def test_our_verifier_takes_what_we_sign(self):
        for algorithm in SHARE:
            pairs = list(zip(drawn(algorithm), signed_by_ours(algorithm)))
            answers = self.ours.ask([question(request, signed) for request, signed in pairs])
            refused = [(request, answer) for (request, _), answer in zip(pairs, answers) if not answer["ok"]]
            self.assertEqual(refused[:1], [], f"{len(refused)} of {len(pairs)}")

    def test_every_change_is_drawn(self):
        done = {harmed(request, signed)[0] for request, signed in zip(drawn("hmac"), signed_by_ours("hmac"))}
        self.assertEqual(done, {harm.__name__ for harm, _ in HARM})

    def test_departures_are_real(self):
        """What an oracle is not asked is what it does otherwise than AWS: awscrt, AWS's own, is asked all of it and agrees with us."""
        self.assertEqual(Crt.departures, ())
        for oracle in (Smithy(), Aws4()):
            departures, oracle.departures = oracle.departures, ()
            for why, shows in departures:
                others = [other for _, other in departures if other is not shows]
                only = [request for request in drawn("hmac") if shows(request) and not any(other(request) for other in others)][:150]
                found = [one for one in self.check(oracle).differences(only) if one and one.kind == "signed otherwise"]
                self.assertTrue(found, f"{oracle.name} {why}: over {len(only)} requests it did not")

    def test_a_difference_is_made_small(self):
        """On a departure that is known: aws4 signs only the first value of a repeated key."""
        oracle = Aws4()
        known = next(one for one in oracle.departures if "first value" in one[0])
        oracle.departures = tuple(one for one in oracle.departures if one is not known)
        check = self.check(oracle)
        repeated = [request for request in drawn("hmac") if known[1](request) and check.takes(request)][:100]
        found = [one for one in check.differences(repeated) if one and one.kind == "signed otherwise"]
        less = check.smallest(max(found, key=lambda one: len(one.request.query) + len(one.request.headers)))
        self.assertEqual((less.request.path, less.request.headers, less.request.method), ("/", (), "GET"), str(less))
        (one, two) = less.request.pairs  # no more is needed, and no less shows it
        self.assertEqual(one[0], two[0], str(less))
        self.assertNotEqual(less.ours, less.theirs)

    def test_under_the_sanitizers(self):
        """The library that is built with them answers as the released one does."""
        instrumented = ours_of("asan")
        pairs = list(zip(drawn("hmac")[:200], signed_by_ours("hmac"))) + list(zip(drawn("ecdsa")[:50], signed_by_ours("ecdsa")))
        orders = [sign_order(request) for request, _ in pairs if request.algorithm == "hmac"]
        orders += [order for request, signed in pairs for order in (question(request, signed), harmed(request, signed)[1])]
        self.assertEqual(instrumented.ask(orders), self.ours.ask(orders))


def drawn_stream(draw):
    """Messages of one stream, some seconds apart and now and then over midnight; the last one is empty."""
    when = datetime.datetime(2015, 8, draw.randint(1, 30), 23, 59, draw.randint(40, 59))
    began, events = when, []
    for size in [draw.choice((0, 1, 63, 64, 65, draw.randint(2, 70_000))) for _ in range(draw.randint(0, 6))] + [0]:
        when += datetime.timedelta(seconds=draw.randint(0, 20))
        events.append({"date": when.strftime("%Y%m%dT%H%M%SZ"), "payload": draw.randbytes(size).hex()})
    return {"region": draw.choice(("us-east-1", "eu-central-1", "cn-north-1")), "service": draw.choice(("transcribe", "lexv2", "s3")),
            "date": began.strftime("%Y%m%dT%H%M%SZ"), "seed": draw.randbytes(32).hex(),
            "key": {"id": "AKID" + draw.randbytes(8).hex().upper(), "secret": draw.randbytes(20).hex()}, "events": events}


class EventsTest(Case):
    """The messages of event streams, which are signed one after the other."""

    def test_the_same_bytes_from_both_and_each_opens_the_other_ones(self):
        draw = random.Random(SEED)
        streams = [drawn_stream(draw) for _ in range(300)]
        ours = ours_of("release")
        signed = [answer["messages"] for answer in ours.ask([{**stream, "do": "sign events"} for stream in streams])]
        theirs = SmithyEvents().messages(streams)
        self.assertTrue(any(event["date"][:8] != stream["date"][:8] for stream in streams for event in stream["events"]))
        for stream, one, other in zip(streams, signed, theirs):
            self.assertEqual(one, other, stream)
        opened = ours.ask([{**stream, "do": "open events", "messages": messages} for stream, messages in zip(streams, theirs)])
        self.assertEqual([answer.get("payloads", answer) for answer in opened], [[event["payload"] for event in stream["events"]] for stream in streams])

    def test_a_message_that_was_changed_moved_or_left_out_is_not_opened(self):
        draw = random.Random(SEED + 1)
        streams = [stream for stream in (drawn_stream(draw) for _ in range(100)) if len(stream["events"]) > 2]
        orders = []
        for stream, messages in zip(streams, SmithyEvents().messages(streams)):
            at = draw.randrange(len(messages[0]) // 2)
            changed = bytearray.fromhex(messages[0])
            changed[at] ^= 1 << draw.randrange(8)
            events = stream["events"]
            orders += [{**stream, "do": "open events", "messages": [changed.hex()] + messages[1:]},
                       {**stream, "do": "open events", "messages": [messages[1], messages[0]], "events": [events[1], events[0]]},
                       {**stream, "do": "open events", "messages": messages[1:], "events": events[1:]}]
        self.assertGreater(len(orders), 100)
        self.assertEqual({answer.get("ok") for answer in ours_of("release").ask(orders)}, {False})
