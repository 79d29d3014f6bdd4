#!/usr/bin/python3
"""A token issuer: whoever proves by a JWT-SVID that it is a workload of the trust domain gets a short-lived access token.

usage: issuer.py SETTINGS.json
  address, port, certificate, key   where it listens, by https
  issuer       its name: the audience that a JWT-SVID must have, and `iss` of its tokens
  bundle       file with the trust domain's keys (the JWT part of a trust bundle)
  trust_domain the workloads that it knows
  clients      optional: file with the X.509 part of the trust bundle; a client may then prove itself by its certificate
  users        optional: file with the public keys of who signs users' tokens; a user's token that is for this issuer is exchanged then
  published    file that it writes its own public key to
  services     {AUDIENCE: [scopes that may be had there]}
  lifetime     of a token, in seconds
  record       optional: file that gets each proof and each token with its audience, so that one can look for them elsewhere

OAuth 2.0 client credentials (RFC 6749 section 4.4) with the assertion type of draft-ietf-oauth-spiffe-client-auth, or with a certificate
(RFC 8705 section 2.1); and token exchange (RFC 8693) of a user's token, with the JWT-SVID as the actor or as the client assertion: the token
that comes of it has the user as `sub`, and the workload as `act` or `azp`.
"""
import json
import os
import secrets
import sys
import time
import urllib.parse

import tokens
import web

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
EXCHANGE, TYPE = "urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:token-type:"
with open(sys.argv[1], encoding="utf-8") as settings_file:
    SETTINGS = json.load(settings_file)
PROOFS = ("client_assertion", "actor_token", "assertion")
KEY = tokens.SigningKey(secrets.token_hex(4))


class Failure(Exception):
    """An OAuth error (RFC 6749 section 5.2)."""

    def __init__(self, status, error, description):
        super().__init__(description)
        self.status, self.answer = status, {"error": error, "error_description": description}


def form_of(body):
    fields = urllib.parse.parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    if any(len(values) != 1 for values in fields.values()):
        raise Failure(400, "invalid_request", "a parameter is repeated")
    return {name: values[0] for name, values in fields.items()}


def certified(certificate, client_id):
    """The SPIFFE ID of the certificate, whose chain TLS has checked."""
    ids = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
    if len(ids) != 1 or not ids[0].startswith(f"spiffe://{SETTINGS['trust_domain']}/"):
        raise Failure(401, "invalid_client", "the certificate is of no workload of the trust domain")
    if ids[0] != client_id:
        raise Failure(401, "invalid_client", "client_id is not the certificate's URI")
    return ids[0]


def workload_of(token):
    """The SPIFFE ID that the JWT-SVID proves."""
    try:
        claims = tokens.verified(token, SETTINGS["bundle"], SETTINGS["issuer"])
    except tokens.Refused as reason:
        raise Failure(401, "invalid_client", f"the JWT-SVID is refused: {reason}") from None
    if not claims["sub"].startswith(f"spiffe://{SETTINGS['trust_domain']}/"):
        raise Failure(401, "invalid_client", "the JWT-SVID is of another trust domain")
    return claims["sub"]


def client_of(form, certificate):
    """The SPIFFE ID that the assertion or the certificate proves."""
    if certificate and "client_assertion" not in form:
        return certified(certificate, form.get("client_id"))
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise Failure(401, "invalid_client", "only assertions of the type jwt-spiffe")
    workload = workload_of(form.get("client_assertion", ""))
    if form.get("client_id", workload) != workload:
        raise Failure(401, "invalid_client", "client_id is not the JWT-SVID's subject")
    return workload


def user_of(form):
    """Whom the subject token is of (RFC 8693 section 2.1)."""
    if form.get("subject_token_type") != TYPE + "access_token":
        raise Failure(400, "invalid_request", "the subject must be an access token")
    try:
        return tokens.verified(form.get("subject_token", ""), SETTINGS["users"], SETTINGS["issuer"])["sub"]
    except tokens.Refused as reason:
        raise Failure(400, "invalid_request", f"the user's token is refused: {reason}") from None


def parties_of(form, certificate):
    """The claims that say whose token it will be."""
    if form.get("grant_type") == "client_credentials":
        return {"sub": client_of(form, certificate)}
    if form.get("grant_type") != EXCHANGE or "users" not in SETTINGS:
        raise Failure(400, "unsupported_grant_type", "only client_credentials" + (" and token-exchange" if "users" in SETTINGS else ""))
    if "actor_token" not in form:
        return {"sub": user_of(form), "azp": client_of(form, certificate)}
    if form.get("actor_token_type") != TYPE + "jwt":
        raise Failure(400, "invalid_request", "the actor must prove itself by a JWT")
    return {"sub": user_of(form), "act": {"sub": workload_of(form["actor_token"])}}


def granted(form):
    """(audience, scopes): what is asked for, where it may be had."""
    audience, scopes = form.get("audience", ""), form.get("scope", "").split()
    if audience not in SETTINGS["services"]:
        raise Failure(400, "invalid_target", "there is no such audience")
    if not scopes or not set(scopes) <= set(SETTINGS["services"][audience]):
        raise Failure(400, "invalid_scope", "these scopes are not to be had there")
    return audience, " ".join(scopes)


def record(*lines):
    if "record" in SETTINGS:
        descriptor = os.open(SETTINGS["record"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with open(descriptor, "a", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)


class Issuer(web.Handler):
    def reply(self, method, body):
        seen = {}
        try:
            if (method, self.path) != ("POST", "/token"):
                raise Failure(404, "invalid_request", "POST /token")
            form = form_of(body)
            parties = parties_of(form, self.connection.getpeercert())
            seen["client"] = parties.get("azp") or parties.get("act", parties)["sub"]
            if parties["sub"] != seen["client"]:
                seen["user"] = parties["sub"]
            seen["aud"], seen["scope"] = granted(form)
        except Failure as failure:
            return failure.status, failure.answer, {**seen, **failure.answer}, {}
        now = int(time.time())
        token = KEY.sign({"iss": SETTINGS["issuer"], **parties, "aud": seen["aud"], "scope": seen["scope"], "iat": now,
                          "exp": now + SETTINGS["lifetime"], "jti": secrets.token_hex(16)})
        proof = next((form[name] for name in PROOFS if name in form), "certificate")
        record("proof " + proof, *([f"user {form['subject_token']}"] if "user" in seen else []), f"{seen['aud']} {token}")
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": SETTINGS["lifetime"], "scope": seen["scope"]}
        if "user" in seen:
            answer["issued_token_type"] = TYPE + "access_token"
        return 200, answer, seen, {}


def serve():
    KEY.publish(SETTINGS["published"])
    web.serve(SETTINGS, Issuer)


if __name__ == "__main__":
    serve()
