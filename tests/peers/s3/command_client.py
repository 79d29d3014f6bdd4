"""S3 by a program of the command line; keys come from the environment, as in any script.

usage: command_client.py aws|rclone|s3cmd|curl ENDPOINT BUCKET JOBS      (tests/e2e/support/s3_clients.py says what a job is)
"""
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import xml.etree.ElementTree

TOOL, ENDPOINT, BUCKET = sys.argv[1:4]
PART_MIB, LIFE = 5, 300
WORK = tempfile.mkdtemp()


def said(*command):
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=240)
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout).decode(errors="replace").strip()[-600:])
    return done.stdout


def sum_of(data):
    return hashlib.sha256(data).hexdigest()


def take(path):
    with open(path, "rb") as file:
        return sum_of(file.read())


def new_folder():
    return tempfile.mkdtemp(dir=WORK)


def sums_of(folder):
    return {"sums": {name: take(os.path.join(folder, name)) for name in os.listdir(folder)}}


def configuration(name, text):
    path = os.path.join(WORK, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


class Aws:
    def __init__(self):
        os.environ["AWS_CONFIG_FILE"] = configuration(
            "aws", f"[default]\nregion = us-east-1\ns3 =\n multipart_threshold = {PART_MIB}MB\n multipart_chunksize = {PART_MIB}MB\n")

    def s3(self, *words):
        return said("aws", "--endpoint-url", ENDPOINT, "s3", *words)

    def api(self, verb, key, *words):
        return said("aws", "--endpoint-url", ENDPOINT, "s3api", verb, "--bucket", BUCKET, "--key=" + key, *words)

    def up(self, folder, prefix):
        self.s3("cp", "--recursive", "--no-progress", folder, f"s3://{BUCKET}/{prefix}")

    def down(self, prefix, names):
        folder = new_folder()
        self.s3("cp", "--recursive", "--no-progress", f"s3://{BUCKET}/{prefix}", folder)
        return sums_of(folder)

    def put(self, key, file, meta=None):
        self.api("put-object", key, "--body", file, "--metadata", json.dumps(meta or {}))

    def parts(self, key, file):
        self.s3("cp", "--no-progress", file, f"s3://{BUCKET}/{key}")

    def get(self, key, *words):
        path = os.path.join(new_folder(), "got")
        self.api("get-object", key, *words, path)
        return {"sum": take(path)}

    def range(self, key, first, last):
        return self.get(key, f"--range=bytes={first}-{last}")

    def head(self, key):
        found = json.loads(self.api("head-object", key))
        return {"size": found["ContentLength"], "meta": found["Metadata"]}

    def list(self, prefix):
        found = json.loads(said("aws", "--endpoint-url", ENDPOINT, "s3api", "list-objects-v2", "--bucket", BUCKET, "--prefix=" + prefix))
        return {"keys": [item["Key"] for item in found["Contents"]]}

    def delete(self, key):
        self.api("delete-object", key)

    def presign(self, method, key):
        assert method == "GET"
        return {"url": self.s3("presign", "--expires-in", str(LIFE), f"s3://{BUCKET}/{key}").decode().strip()}


class Rclone:
    def __init__(self):
        settings = {"TYPE": "s3", "PROVIDER": "Other", "ENV_AUTH": "true", "ENDPOINT": ENDPOINT, "REGION": "us-east-1",
                    "UPLOAD_CUTOFF": f"{PART_MIB}M", "CHUNK_SIZE": f"{PART_MIB}M", "NO_CHECK_BUCKET": "true"}
        for name, value in settings.items():
            os.environ["RCLONE_CONFIG_THERE_" + name] = value
        os.environ.pop("AWS_CA_BUNDLE", None)  # rclone 1.60 fails where it is set; SSL_CERT_FILE is enough for it

    def run(self, verb, *words):
        return said("rclone", "--config=", "--retries=1", "--low-level-retries=1", verb, *words)

    def at(self, key):
        return f"there:{BUCKET}/{key}"

    def up(self, folder, prefix):
        self.run("copy", folder, self.at(prefix))

    def down(self, prefix, names):
        folder = new_folder()
        self.run("copy", self.at(prefix), folder)
        return sums_of(folder)

    def put(self, key, file, meta=None):
        headers = [f"--header-upload=x-amz-meta-{name}: {value}" for name, value in (meta or {}).items()]
        self.run("copyto", *headers, file, self.at(key))

    parts = put

    def get(self, key, *words):
        return {"sum": sum_of(self.run("cat", *words, self.at(key)))}

    def range(self, key, first, last):
        return self.get(key, f"--offset={first}", f"--count={last - first + 1}")

    def head(self, key):
        found = json.loads(self.run("lsjson", "--stat", "--metadata", self.at(key)))
        return {"size": found["Size"], "meta": found["Metadata"]}

    def list(self, prefix):
        return {"keys": [prefix + name for name in self.run("lsf", "-R", self.at(prefix)).decode().splitlines()]}

    def delete(self, key):
        self.run("deletefile", self.at(key))

    def presign(self, method, key):
        assert method == "GET"
        return {"url": self.run("link", f"--expire={LIFE}s", self.at(key)).decode().strip()}


class S3cmd:
    def __init__(self):
        url = urllib.parse.urlsplit(ENDPOINT)
        secure = url.scheme == "https"
        proxy = urllib.parse.urlsplit(os.environ.get("HTTPS_PROXY", "") if secure else "")
        self.options = ["--config=" + configuration("s3cmd", f"""[default]
access_key = {os.environ["AWS_ACCESS_KEY_ID"]}
secret_key = {os.environ["AWS_SECRET_ACCESS_KEY"]}
host_base = {url.netloc}
host_bucket = {url.netloc}
bucket_location = us-east-1
use_https = {secure}
ca_certs_file = {os.environ.get("SSL_CERT_FILE", "")}
proxy_host = {proxy.hostname or ""}
proxy_port = {proxy.port or 0}
multipart_chunk_size_mb = {PART_MIB}
max_retries = 1
""")]

    def run(self, verb, *words):
        return said("s3cmd", *self.options, "--no-progress", verb, *words)

    def at(self, key):
        return f"s3://{BUCKET}/{key}"

    def up(self, folder, prefix):
        self.run("put", "--recursive", folder + "/", self.at(prefix))

    def down(self, prefix, names):
        folder = new_folder()
        self.run("get", "--recursive", self.at(prefix), folder + "/")
        return sums_of(folder)

    def put(self, key, file, meta=None):
        self.run("put", *(f"--add-header=x-amz-meta-{name}:{value}" for name, value in (meta or {}).items()), file, self.at(key))

    parts = put

    def get(self, key):
        path = os.path.join(new_folder(), "got")
        self.run("get", self.at(key), path)
        return {"sum": take(path)}

    def head(self, key):
        text = self.run("info", self.at(key)).decode()
        size = re.search(r"File size: +(\d+)", text)
        return {"size": int(size.group(1)), "meta": dict(re.findall(r"x-amz-meta-([\w-]+): +(.*)", text))}

    def list(self, prefix):
        start = f"s3://{BUCKET}/"
        return {"keys": [line[line.index(start) + len(start):] for line in self.run("ls", "-r", self.at(prefix)).decode().splitlines()]}

    def delete(self, key):
        self.run("del", self.at(key))


class Curl:
    """`curl --aws-sigv4`; what it lacks, the script that calls it adds: the body's hash, and escapes in the path."""

    def run(self, key, *words, query=""):
        keys = os.environ["AWS_ACCESS_KEY_ID"] + ":" + os.environ["AWS_SECRET_ACCESS_KEY"]
        return said("curl", "-sS", "--fail-with-body", "--path-as-is", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", keys, *words,
                    f"{ENDPOINT}/{BUCKET}/{urllib.parse.quote(key)}{query}")

    def up(self, folder, prefix):
        for name in os.listdir(folder):
            self.put(prefix + name, os.path.join(folder, name))

    def down(self, prefix, names):
        return {"sums": {name: self.get(prefix + name)["sum"] for name in names}}

    def put(self, key, file, meta=None):
        headers = [word for name, value in (meta or {}).items() for word in ("-H", f"x-amz-meta-{name}: {value}")]
        self.run(key, "-X", "PUT", "-H", "content-type: binary/octet-stream", "-H", "x-amz-content-sha256: " + take(file),
                 *headers, "--data-binary", "@" + file)

    def get(self, key, *words):
        return {"sum": sum_of(self.run(key, *words))}

    def range(self, key, first, last):
        return self.get(key, "-r", f"{first}-{last}")

    def head(self, key):
        text = self.run(key, "-I").decode("latin-1").lower()
        return {"size": int(re.search(r"content-length: (\d+)", text).group(1)), "meta": dict(re.findall(r"x-amz-meta-([\w-]+): (.*?)\r\n", text))}

    def list(self, prefix):
        # Not in the order in which they must be signed.
        page = self.run("", query="?prefix=" + urllib.parse.quote(prefix, safe="") + "&list-type=2")
        return {"keys": [key.text for key in xml.etree.ElementTree.fromstring(page).iter() if key.tag.endswith("Key")]}

    def delete(self, key):
        self.run(key, "-X", "DELETE")


client = {"aws": Aws, "rclone": Rclone, "s3cmd": S3cmd, "curl": Curl}[TOOL]()
for job in json.loads(sys.argv[4]):
    try:
        result = getattr(client, job.pop("do"))(**job) or {}
    except (RuntimeError, AttributeError, subprocess.TimeoutExpired) as error:
        result = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(result), flush=True)
