"""Signs requests with PyPI's awscrt (aws-c-auth).  usage: signer.py LOG < LINES

Each line is JSON: {"algorithm": "hmac"|"ecdsa", "form": "header"|"query", "method", "target", "headers": [[NAME, VALUE]...],
"names": [NAME...] are the headers to sign, or null: awscrt chooses, "payload", "hash_header": whether x-amz-content-sha256 is added,
"date", "expires", "region", "service", "single": the path is encoded once and not normalized, "key": {"id", "secret", "token"}}.
One line for each: {"headers", "target"} as the request then leaves, or {"error"}.  The library writes what it signed into LOG.
"""
import datetime
import functools
import json
import sys
import time

from awscrt import auth, http, io

ALGORITHMS = {"hmac": auth.AwsSigningAlgorithm.V4, "ecdsa": auth.AwsSigningAlgorithm.V4_ASYMMETRIC}
FORMS = {"header": auth.AwsSignatureType.HTTP_REQUEST_HEADERS, "query": auth.AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS}


@functools.lru_cache(maxsize=None)
def provider(identity, secret, token):
    return auth.AwsCredentialsProvider.new_static(identity, secret, token or None)


def config_of(order):
    names = None if order["names"] is None else set(order["names"])
    kind = auth.AwsSignedBodyHeaderType
    return auth.AwsSigningConfig(
        algorithm=ALGORITHMS[order["algorithm"]], signature_type=FORMS[order["form"]],
        credentials_provider=provider(order["key"]["id"], order["key"]["secret"], order["key"]["token"]),
        region=order["region"], service=order["service"],
        date=datetime.datetime.strptime(order["date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc),
        should_sign_header=None if names is None else lambda name: name.lower() in names,
        use_double_uri_encode=not order["single"], should_normalize_uri_path=not order["single"], signed_body_value=order["payload"],
        signed_body_header_type=kind.X_AMZ_CONTENT_SHA_256 if order["hash_header"] else kind.NONE,
        expiration_in_seconds=order["expires"] if order["form"] == "query" else None)


def signed(order):
    request = http.HttpRequest(order["method"], order["target"], http.HttpHeaders([tuple(line) for line in order["headers"]]))
    try:
        done = auth.aws_sign_request(request, config_of(order)).result(30)
    except Exception as error:  # awscrt's own kinds of error
        return {"error": str(error)}
    return {"target": done.path, "headers": [list(line) for line in done.headers]}


def wait_for_log(path, order, count):
    """The log is written behind the program's back, and in blocks: signs on until `count` requests stand in it for certain."""
    filler = {**order, "method": "GET", "target": "/", "headers": [["Host", "x"], ["x-filler", "x" * 8000]], "names": None}
    with open(path, "rb") as log:
        seen, end = b"", time.monotonic() + 60
        while seen.count(b"successfully built string-to-sign") <= count:
            if time.monotonic() > end:
                raise TimeoutError(f"{path}: awscrt wrote less than it signed")
            signed(filler)
            seen += log.read()
            time.sleep(0.001)


def main():
    io.init_logging(io.LogLevel.Info, sys.argv[1])
    orders = [json.loads(line) for line in sys.stdin]
    answers = [signed(order) for order in orders]
    wait_for_log(sys.argv[1], orders[0], sum("error" not in answer for answer in answers))
    for answer in answers:
        print(json.dumps(answer))


main()
