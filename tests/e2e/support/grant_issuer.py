#!/usr/bin/env python3
"""The example's issuer, which also takes a pod's ServiceAccount token (RFC 7523): as a client assertion of the type jwt-bearer, and as the
grant jwt-bearer.  It asks the cluster about each (TokenReview), for its own name as the audience.

usage: grant_issuer.py SETTINGS.json, with the settings of examples/spiffe-token-grant/issuer.py, and
  cluster    file with {url, ca, token, account}: whom it asks, how, and the one account that it knows; absent: none
"""
import json
import os
import ssl
import sys
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, "examples/spiffe-token-grant"))
import issuer  # noqa: E402

BEARER_ASSERTION, BEARER_GRANT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:jwt-bearer"
of_the_example = issuer.parties_of


def reviewed(token):
    """The status of a TokenReview, as the cluster answers."""
    with open(issuer.SETTINGS["cluster"], encoding="utf-8") as file:
        cluster = json.load(file)
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, "audiences": [issuer.SETTINGS["issuer"]]}}
    request = urllib.request.Request(cluster["url"] + "/apis/authentication.k8s.io/v1/tokenreviews", json.dumps(body).encode(),
                                     {"authorization": "Bearer " + cluster["token"], "content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10, context=ssl.create_default_context(cafile=cluster["ca"])) as answer:
        return json.load(answer)["status"], cluster["account"]


def account_of(token, error):
    try:
        status, known = reviewed(token)
    except (OSError, KeyError, ValueError):
        raise issuer.Failure(503, "temporarily_unavailable", "the cluster does not answer") from None
    account = status.get("user", {}).get("username")
    if not status.get("authenticated") or issuer.SETTINGS["issuer"] not in status.get("audiences", []) or account != known:
        raise issuer.Failure(401 if error == "invalid_client" else 400, error, "the cluster does not vouch for this token")
    return account


def parties_of(form, certificate):
    if form.get("grant_type") == BEARER_GRANT:
        return {"sub": account_of(form.get("assertion", ""), "invalid_grant")}
    if form.get("grant_type") == "client_credentials" and form.get("client_assertion_type") == BEARER_ASSERTION:
        return {"sub": account_of(form.get("client_assertion", ""), "invalid_client")}
    return of_the_example(form, certificate)


issuer.parties_of = parties_of
issuer.serve()
