"""The public key behind two ECDSA signatures on P-256 (SEC 1, section 4.1.6), for signers that show no key."""
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296, 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def plus(one, two):
    if one is None or two is None:
        return two if one is None else one
    if one[0] == two[0] and (one[1] + two[1]) % P == 0:
        return None
    if one == two:
        slope = (3 * one[0] * one[0] - 3) * pow(2 * one[1], -1, P)
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, P)
    x = (slope * slope - one[0] - two[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def times(number, point):
    total = None
    for digit in bin(number % N)[2:]:
        total = plus(total, total)
        if digit == "1":
            total = plus(total, point)
    return total


def candidates(signature, text):
    """The two keys that may have made it; r + n as a coordinate is too rare to look at."""
    r, s = utils.decode_dss_signature(signature)
    digest = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    y = pow((pow(r, 3, P) - 3 * r + B) % P, (P + 1) // 4, P)
    inverse = pow(r, -1, N)
    for point in ((r, y), (r, P - y)):
        yield plus(times(s * inverse, point), times(-digest * inverse, G))


def verifies(point, signature, text):
    key = ec.EllipticCurvePublicNumbers(*point, ec.SECP256R1()).public_key()
    try:
        key.verify(signature, text.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def public_key(first, second):
    """Of two (signature, text), the one key of both, as (X, Y) in hex; None: there is none."""
    for point in candidates(*first):
        if verifies(point, *first) and verifies(point, *second):
            return tuple(f"{number:064x}" for number in point)
    return None
