#!/usr/bin/python3
"""A protected service (RFC 6750): it answers who has a token of the issuer for it, and names whose token it was in its log.

usage: service.py SETTINGS.json
  address, port, certificate, key   where it listens, by https
  name      its own name: the audience that a token must have
  issuer    who must have issued it
  keys      file with the issuer's public keys
  scopes    {METHOD: the scope that it needs}
"""
import json
import sys

import tokens
import web

with open(sys.argv[1], encoding="utf-8") as settings_file:
    SETTINGS = json.load(settings_file)


def claims_of(authorizations):
    if len(authorizations) != 1 or not authorizations[0].startswith("Bearer "):
        raise tokens.Refused("there must be one token")
    claims = tokens.verified(authorizations[0].removeprefix("Bearer "), SETTINGS["keys"], SETTINGS["name"])
    if claims.get("iss") != SETTINGS["issuer"]:
        raise tokens.Refused("it is of another issuer")
    return claims


class Service(web.Handler):
    def reply(self, method, body):
        authorizations = self.headers.get_all("authorization", [])
        try:
            claims = claims_of(authorizations)
        except tokens.Refused as reason:
            refusal = {"error": "invalid_token", "reason": str(reason)}
            return 401, refusal, refusal, {"www-authenticate": f'Bearer realm="{SETTINGS["name"]}"'}
        who = {"service": SETTINGS["name"], "caller": claims["sub"], "aud": claims["aud"], "scope": claims["scope"]}
        who.update({claim: claims[claim] for claim in ("act", "azp") if claim in claims})  # who acts for the caller
        needed = SETTINGS["scopes"][method]
        if needed not in claims["scope"].split():
            refusal = {**who, "error": "insufficient_scope", "reason": f"{method} needs {needed}"}
            return 403, refusal, refusal, {"www-authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'}
        return 200, who, {**who, "bytes": len(body)}, {}


web.serve(SETTINGS, Service)
