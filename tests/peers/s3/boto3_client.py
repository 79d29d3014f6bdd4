"""S3 by boto3; keys come from the environment, as in any program.

usage: boto3_client.py ENDPOINT BUCKET JOBS      (tests/e2e/support/s3_clients.py says what a job is)
"""
import hashlib
import json
import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import Config

ENDPOINT, BUCKET = sys.argv[1:3]
PART, LIFE = 5 << 20, 300
s3 = boto3.client("s3", endpoint_url=ENDPOINT, config=Config(signature_version="s3v4", retries={"max_attempts": 1}))


def sum_of(body):
    digest = hashlib.sha256()
    for data in body.iter_chunks(1 << 20):
        digest.update(data)
    return digest.hexdigest()


def keys(prefix):
    return [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def get(key, **more):
    return sum_of(s3.get_object(Bucket=BUCKET, Key=key, **more)["Body"])


def put(key, file, meta=None):
    with open(file, "rb") as body:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=meta or {})


def up(folder, prefix):
    for name in os.listdir(folder):
        put(prefix + name, os.path.join(folder, name))


def parts(key, file):
    s3.upload_file(file, BUCKET, key, Config=TransferConfig(multipart_threshold=PART, multipart_chunksize=PART))


def head(key):
    found = s3.head_object(Bucket=BUCKET, Key=key)
    return {"size": found["ContentLength"], "meta": found["Metadata"]}


def delete(key):
    s3.delete_object(Bucket=BUCKET, Key=key)


def presign(method, key):
    call = {"GET": "get_object", "PUT": "put_object"}[method]
    return {"url": s3.generate_presigned_url(call, {"Bucket": BUCKET, "Key": key}, LIFE)}


WORK = {"up": up, "put": put, "parts": parts, "head": head, "delete": delete, "presign": presign,
        "down": lambda prefix, names: {"sums": {name: get(prefix + name) for name in names}},
        "get": lambda key: {"sum": get(key)},
        "range": lambda key, first, last: {"sum": get(key, Range=f"bytes={first}-{last}")},
        "list": lambda prefix: {"keys": keys(prefix)}}

for job in json.loads(sys.argv[3]):
    try:
        result = WORK[job.pop("do")](**job) or {}
    except Exception as error:  # whatever the library raises is the job's result
        result = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(result), flush=True)
