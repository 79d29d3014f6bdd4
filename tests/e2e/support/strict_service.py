#!/usr/bin/env python3
"""A service like the example's, which believes no token for a second beyond its end and logs how many were left.

usage: strict_service.py SETTINGS.json, with the settings of examples/spiffe-token-grant/service.py but for the scopes
"""
import json
import os
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, "examples/spiffe-token-grant"))
import tokens  # noqa: E402
import web  # noqa: E402

with open(sys.argv[1], encoding="utf-8") as settings_file:
    SETTINGS = json.load(settings_file)


class Service(web.Handler):
    def reply(self, method, body):
        now, authorizations, seen = time.time(), self.headers.get_all("authorization", []), {}
        try:
            if len(authorizations) != 1 or not authorizations[0].startswith("Bearer "):
                raise tokens.Refused("there must be one token")
            claims = tokens.verified(authorizations[0].removeprefix("Bearer "), SETTINGS["keys"], SETTINGS["name"])
            seen = {"left": claims["exp"] - now, "token": claims["jti"][:8]}
            if claims["exp"] <= now or claims.get("iss") != SETTINGS["issuer"]:
                raise tokens.Refused("it has ended, or is of another issuer")
        except tokens.Refused as reason:
            return 401, {"reason": str(reason)}, {**seen, "reason": str(reason)}, {}
        return 200, {"aud": claims["aud"]}, seen, {}


web.serve(SETTINGS, Service)
