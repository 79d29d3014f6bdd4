#!/usr/bin/env python3
"""An STS over https that believes nobody, and a store that takes what it gives: JWT-SVIDs are verified by the trust bundle and the role's
trust policy, every other request by its SigV4 signature, its session token and the end of its keys by this program's own clock.

usage: sts_server.py SETTINGS.json
  address, port, store_port, certificate, key   where both listen
  bundle     file with the trust domain's keys
  audience   that a JWT-SVID must have, alone
  roles      {ARN: {"subjects": [SPIFFE IDs], "callers": [ARNs], "external_id": ID}}, each optional
  store      ARN of the role whose keys the store takes
  mood       file that is read for each request: {"life": seconds, "refuse": {"status", "code"}, "ended": [sessions, as `given` tells them]}, each optional
  record     file that gets each proof, secret and session token, so that one can look for them elsewhere
One line of JSON per request on standard output.
"""
import datetime
import hashlib
import hmac
import http.server
import json
import os
import secrets
import sys
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, "examples/spiffe-token-grant"))
import tokens  # noqa: E402
import web  # noqa: E402

with open(sys.argv[1], encoding="utf-8") as settings_file:
    SETTINGS = json.load(settings_file)
SESSIONS = {}  # key id -> {"secret", "token", "role", "expires"}
SKEW = 300  # seconds


class Failure(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def mood():
    with open(SETTINGS["mood"], encoding="utf-8") as file:
        return json.load(file)


def record(*lines):
    descriptor = os.open(SETTINGS["record"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with open(descriptor, "a", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


def role_of(form):
    role = SETTINGS["roles"].get(form.get("RoleArn", ""))
    if role is None:
        raise Failure(403, "AccessDenied", "there is no such role")
    name = form.get("RoleSessionName", "")
    if not 2 <= len(name) <= 64 or not all(c.isalnum() and c.isascii() or c in "_+=,.@-" for c in name):
        raise Failure(400, "ValidationError", "RoleSessionName")
    return role


def subject_of(form, role, seen):
    proof = form.get("WebIdentityToken", "")
    record("proof " + proof)
    try:
        claims = tokens.verified(proof, SETTINGS["bundle"], SETTINGS["audience"])
    except tokens.Refused as reason:
        raise Failure(400, "InvalidIdentityToken", str(reason)) from None
    seen["subject"] = claims["sub"]
    if claims["sub"] not in role.get("subjects", []):
        raise Failure(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")


def signature_of(handler, headers, parts, payload):
    """The signature that the request should have (AWS General Reference, "Signing AWS API requests")."""
    key_id, date, region, service = parts["Credential"].split("/")[:4]
    names = parts["SignedHeaders"].split(";")
    path, _, query = handler.path.partition("?")
    items = "&".join(sorted(item if "=" in item else item + "=" for item in query.split("&") if item))
    canonical = "\n".join([handler.command, path, items, *(f"{name}:{headers[name].strip()}" for name in names), "", ";".join(names), payload])
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], f"{date}/{region}/{service}/aws4_request",
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + SESSIONS[key_id]["secret"].encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def signer_of(handler, body, service, seen):
    """The session whose keys have signed the request for this service."""
    headers = {name.lower(): value for name, value in handler.headers.items()}
    algorithm, _, rest = headers.get("authorization", "").partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    key_id, date, region, named = (parts.get("Credential", "") + "///").split("/")[:4]
    session = SESSIONS.get(key_id)
    if algorithm != "AWS4-HMAC-SHA256" or session is None:
        raise Failure(403, "InvalidClientTokenId", "The security token included in the request is invalid")
    now = time.time()
    seen.update(caller=session["role"], region=region, key=key_id, session=digest(session["token"]), left=session["expires"] - now)
    at = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    names = set(parts["SignedHeaders"].split(";"))
    if named != service or date != headers["x-amz-date"][:8] or abs(at.timestamp() - now) > SKEW:
        raise Failure(403, "SignatureDoesNotMatch", "scope or time")
    if not {"host", "x-amz-date", "x-amz-security-token"} <= names or headers["x-amz-security-token"] != session["token"]:
        raise Failure(403, "InvalidToken", "the session token is missing, not signed or not of these keys")
    payload = headers.get("x-amz-content-sha256", "")
    if payload not in (hashlib.sha256(body).hexdigest(), "UNSIGNED-PAYLOAD"):
        raise Failure(400, "XAmzContentSHA256Mismatch", "the body has another hash")
    if not hmac.compare_digest(signature_of(handler, headers, parts, payload), parts["Signature"]):
        raise Failure(403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
    if session["expires"] <= now or digest(session["token"]) in mood().get("ended", []):
        raise Failure(400, "ExpiredToken", "The provided token has expired")
    return session


def check_caller(handler, body, form, seen):
    caller, role = signer_of(handler, body, "sts", seen)["role"], role_of(form)
    if caller not in role.get("callers", []) or form.get("ExternalId") != role.get("external_id"):
        raise Failure(403, "AccessDenied", "User is not authorized to perform: sts:AssumeRole")


def digest(session):
    return hashlib.sha256(session.encode()).hexdigest()[:16]


def session_of(form, seen):
    key_id, secret, token = "ASIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30), secrets.token_urlsafe(60)
    expires = int(time.time()) + int(mood().get("life") or form.get("DurationSeconds") or 3600)
    SESSIONS[key_id] = {"secret": secret, "token": token, "role": form["RoleArn"], "expires": expires}
    record("secret " + secret, "session " + token)
    seen.update(given=digest(token), expires=expires)
    return {"AccessKeyId": key_id, "SecretAccessKey": secret, "SessionToken": token,
            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires))}


class Answering(http.server.BaseHTTPRequestHandler):
    """Whoever derives gives answer(body, seen): the text of a good answer."""
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        body, seen, status = self.rfile.read(int(self.headers.get("content-length") or 0)), {"method": self.command, "path": self.path}, 200
        try:
            text = self.answer(body, seen)
        except Failure as failure:
            status = failure.status
            seen["error"] = failure.code
            text = f"<ErrorResponse><Error><Type>Sender</Type><Code>{failure.code}</Code><Message>{escape(failure.message)}</Message></Error></ErrorResponse>"
        sys.stdout.write(json.dumps({"time": time.time(), "status": status, **seen}) + "\n")  # at once: two servers write
        sys.stdout.flush()
        data = text.encode()
        self.send_response(status)
        self.send_header("content-type", "text/xml")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = handle_any

    def log_message(self, *_):
        """The line above is the log."""


class Store(Answering):
    def answer(self, body, seen):
        seen["store"] = True
        if signer_of(self, body, "s3", seen)["role"] != SETTINGS["store"]:
            raise Failure(403, "AccessDenied", "these keys are of another role")
        return "<Stored/>"


class Sts(Answering):
    def answer(self, body, seen):
        form = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
        seen.update(action=form.get("Action"), role=form.get("RoleArn"), name=form.get("RoleSessionName"), duration=form.get("DurationSeconds"))
        if "xml" not in self.headers.get("accept", ""):
            raise Failure(400, "ValidationError", "who asks for JSON gets JSON from Amazon's")
        refusal = mood().get("refuse")
        if refusal:
            raise Failure(refusal["status"], refusal["code"], "as it was told to")
        if form["Action"] == "AssumeRoleWithWebIdentity" and self.headers.get("authorization") is None:
            subject_of(form, role_of(form), seen)
        elif form["Action"] == "AssumeRole":
            check_caller(self, body, form, seen)
        else:
            raise Failure(400, "InvalidAction", "no such action")
        fields = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in session_of(form, seen).items())
        return (f'<{form["Action"]}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{form["Action"]}Result><Credentials>{fields}'
                f'</Credentials></{form["Action"]}Result></{form["Action"]}Response>')


store = web.Server({**SETTINGS, "port": SETTINGS["store_port"]}, Store)
threading.Thread(target=store.serve_forever, daemon=True).start()
web.serve(SETTINGS, Sts)
