"""Independent S3 clients behind one small language: each is a program that takes `ENDPOINT BUCKET JOBS` and prints a JSON line per job.

A job is {"do": VERB, …}; a line is {} or the job's answer, or {"error": TEXT}:
  up    folder prefix         each file of the folder, under prefix + its name
  down  prefix names          what up has sent: {"sums": {name: SHA-256}}
  put   key file meta         one upload with x-amz-meta-* headers
  parts key file              a multipart upload in parts of 5 MiB, where the client can
  get   key                   {"sum": SHA-256}
  range key first last        {"sum": SHA-256} of these bytes
  head  key                   {"size": …, "meta": {…}}
  list  prefix                {"keys": […]}
  delete key
  presign method key          {"url": …}, good for five minutes
"""
import hashlib
import json
import os
import string
import subprocess

from e2e.support import tools
from e2e.support.keyward import ENVIRONMENT
from e2e.support.machine import ROOT

PEERS = os.path.join(ROOT, "tests/peers")
PUNCTUATION = [f"x{mark}y" for mark in string.punctuation if mark not in "/"]
ODD_NAMES = [*PUNCTUATION, "with blank", "two  blanks", "grüße", "日本", "smile😀", "%2F%2f%25%zz", "a%20b+c%2Bd", "a&b=c?d#e;f", "..dots..", "-dash", "~"]
# What no file can be called: only clients that take keys as they are can send these.
ODD_KEYS = ["a//b", "dots/./x", "tab\there"]
# What a server whose objects are files cannot store either, and must refuse for no other reason.
NO_FILES = ["//", "end/", "..", "a/../b"]


def digest(data):
    return hashlib.sha256(data).hexdigest()


class S3Client:
    """`cannot` names the jobs that the client has no way to do."""

    def __init__(self, words, cannot=(), variables=None):
        self.words, self.cannot, self.variables = words, set(cannot), variables or {}

    def command(self, endpoint, bucket, jobs):
        return [*self.words, endpoint, bucket, json.dumps(jobs)]

    def options(self):
        """For `supervisor run`."""
        return [word for name, value in {"AWS_DEFAULT_REGION": "us-east-1", **self.variables}.items() for word in ("--env", f"{name}={value}")]

    def run(self, endpoint, bucket, jobs, keys):
        """Outside any sandbox, with keys of its own."""
        access, secret = keys
        return subprocess.run(self.command(endpoint, bucket, jobs), capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, env={
            **ENVIRONMENT, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_EC2_METADATA_DISABLED": "true", **self.variables})


def answers(jobs, done):
    """What each job got, in their order; an error where the client ended too soon."""
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    missing = {"error": f"the client ended with {done.returncode}: {done.stderr.strip()[-600:]}"}
    return lines + [missing] * (len(jobs) - len(lines))


def javascript(machine, kind, cannot=()):
    node = tools.node()
    if not node.startswith("/usr/"):
        node = machine.share(node, "node")
    return S3Client([node, os.path.join(machine.share(tools.node_peers(), "node-peers"), "s3_client.mjs"), kind], cannot)


def boto3(machine):
    return S3Client([tools.PYTHON, machine.share(os.path.join(PEERS, "s3/boto3_client.py"), "boto3_client.py")],
                    variables={"PYTHONPATH": machine.share(tools.new_boto3(), "boto3")})


def minio_go(machine, *options):
    return S3Client([machine.share(tools.minio_go(), "minio-go"), *options])


def command(machine, tool, package, cannot=()):
    tools.debian(tool, package)
    return S3Client([tools.PYTHON, machine.share(os.path.join(PEERS, "s3/command_client.py"), "command_client.py"), tool], cannot)


CLIENTS = {
    "boto3": boto3,
    "sdk_js": lambda machine: javascript(machine, "sdk"),
    "minio_js": lambda machine: javascript(machine, "minio", ["list"]),  # it takes listed keys for percent-encoded
    "minio_go": minio_go,
    "minio_go_trailers": lambda machine: minio_go(machine, "-trailers"),
    "aws_cli": lambda machine: command(machine, "aws", "awscli", ["keys", "presign_put"]),
    "rclone": lambda machine: command(machine, "rclone", "rclone", ["keys", "presign_put"]),
    "s3cmd": lambda machine: command(machine, "s3cmd", "s3cmd", ["keys", "range", "presign", "presign_put", "folded headers"]),
    "curl": lambda machine: command(machine, "curl", "curl", ["parts", "presign", "presign_put"]),
}
