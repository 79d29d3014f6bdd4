"""JSON Web Tokens by ES256 (RFC 7515, 7518, 7519), and key sets as files: just what this example needs."""
import base64
import json
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

SHA256 = ec.ECDSA(hashes.SHA256())
TOLERANCE = 30  # seconds that two clocks may differ


class Refused(Exception):
    """Why a token is not believed; never with a part of the token."""


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class SigningKey:
    """A key of its own for each start; its public half is written where the services read it."""

    def __init__(self, kid):
        self.kid, self.key = kid, ec.generate_private_key(ec.SECP256R1())

    def publish(self, path):
        numbers = self.key.public_key().public_numbers()
        point = {axis: encode(getattr(numbers, axis).to_bytes(32, "big")) for axis in ("x", "y")}
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"keys": [{"kty": "EC", "crv": "P-256", "kid": self.kid, **point}]}, file)

    def sign(self, claims):
        header = {"alg": "ES256", "kid": self.kid, "typ": "JWT"}
        signed = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
        r, s = utils.decode_dss_signature(self.key.sign(signed.encode(), SHA256))
        return signed + "." + encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def key_of(path, kid):
    """The file is read each time, because keys are rotated."""
    with open(path, encoding="utf-8") as file:
        keys = json.load(file)["keys"]
    for key in keys:
        if key.get("kid") == kid and (key.get("kty"), key.get("crv")) == ("EC", "P-256"):
            x, y = (int.from_bytes(decode(key[axis]), "big") for axis in ("x", "y"))
            return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    raise Refused("it is signed by a key that is not in the key set")


def verified(token, key_set, audience):
    """The claims of a token that is signed by one of the keys, is for this audience alone, and is valid now."""
    try:
        head, body, signature = token.split(".")
        header, claims, raw = json.loads(decode(head)), json.loads(decode(body)), decode(signature)
        if header["alg"] != "ES256" or len(raw) != 64:
            raise Refused("it is not signed by ES256")
        der = utils.encode_dss_signature(*(int.from_bytes(half, "big") for half in (raw[:32], raw[32:])))
        key_of(key_set, header["kid"]).verify(der, f"{head}.{body}".encode(), SHA256)
        expires, subject = float(claims["exp"]), claims["sub"]
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    except InvalidSignature:
        raise Refused("its signature is wrong") from None
    except (ValueError, KeyError, TypeError):
        raise Refused("it is no token of the expected form") from None
    if expires < time.time() - TOLERANCE:
        raise Refused("it has expired")
    if audiences != [audience]:
        raise Refused("it is for another audience")
    if not isinstance(subject, str):
        raise Refused("it names no subject")
    return claims
