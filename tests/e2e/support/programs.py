"""Programs that run inside the sandbox, as text: they hold only what the sandbox's environment gives them."""
import json
import time

REGION_ENV = ("--env", "AWS_DEFAULT_REGION=us-east-1")

# The start of every boto3 program: `s3` speaks to the endpoint in the first argument, `bucket` is the second.
BOTO3 = """
import hashlib, io, os, sys
import boto3
from botocore.client import Config
endpoint, bucket = sys.argv[1:3]
def client(**config):
    return boto3.client("s3", endpoint_url=endpoint, config=Config(retries={"max_attempts": 4}, **config))
s3 = client()
"""

# Speaks HTTP through the proxy without a library that would tidy up the bytes: request(method, target, headers, body).
# The signature is made with the placeholder keys, as any SDK would.
RAW = """
import datetime, functools, hashlib, hmac, json, os, socket, ssl, sys
from urllib.parse import urlsplit
PROXY = urlsplit(os.environ["HTTPS_PROXY"])
ACCESS, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]

def tunnel(host, port, timeout=30):
    raw = socket.create_connection((PROXY.hostname, PROXY.port), timeout)
    raw.sendall(f"CONNECT {host}:{port} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n\\r\\n".encode())
    answer = b""
    while b"\\r\\n\\r\\n" not in answer:
        data = raw.recv(4096)
        if not data:
            break
        answer += data
    status = int(answer.split()[1])
    return raw, status, answer

@functools.cache
def trust():
    return ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])

def secure(raw, host):
    return trust().wrap_socket(raw, server_hostname=host)

def sign(method, host, path, query, payload_hash, extra):
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {"host": host, "x-amz-content-sha256": payload_hash, "x-amz-date": stamp, **extra}
    names = ";".join(sorted(headers))
    canonical = "\\n".join([method, path, query, *(f"{n}:{headers[n]}" for n in sorted(headers)), "", names, payload_hash])
    scope = f"{day}/us-east-1/s3/aws4_request"
    text = "\\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + SECRET).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={names}, Signature={signature}"
    return headers

def answer_of(connection):
    data = b""
    while b"\\r\\n\\r\\n" not in data:
        more = connection.recv(65536)
        if not more:
            return 0, {}, data
        data += more
    head, body = data.split(b"\\r\\n\\r\\n", 1)
    lines = head.decode("latin-1").split("\\r\\n")
    headers = {n.lower(): v.strip() for n, v in (line.split(":", 1) for line in lines[1:])}
    if "content-length" in headers:
        while len(body) < int(headers["content-length"]):
            more = connection.recv(65536)
            if not more:
                break
            body += more
    return int(lines[0].split()[1]), headers, body

def request(host, port, method, path, headers, body=b"", query=""):
    raw, status, answer = tunnel(host, port)
    if status != 200:
        return status, {}, answer
    connection = secure(raw, host)
    target = path + ("?" + query if query else "")
    head = f"{method} {target} HTTP/1.1\\r\\n" + "".join(f"{n}: {v}\\r\\n" for n, v in headers.items()) + "\\r\\n"
    try:
        connection.sendall(head.encode("latin-1") + body)
    except OSError:
        pass
    return answer_of(connection)
"""

# One PUT for each line of standard input, which names the key, or a GET of the key after that word; answered by the status and the body of a refusal.
PUTS = """
import json, os, subprocess, sys
print("ready", flush=True)
for line in sys.stdin:
    method, _, key = line.strip().rpartition(" ")
    sends = [] if method else ["-X", "PUT", "--data-binary", "of " + key]
    done = subprocess.run(["curl", "-sS", "-w", "\\\\n%{http_code}", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
                           os.environ["AWS_ACCESS_KEY_ID"] + ":" + os.environ["AWS_SECRET_ACCESS_KEY"], "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
                           "-A", "a-client-of-s3", "-H", "accept: application/json", *sends, sys.argv[1] + key], capture_output=True, text=True)
    body, _, status = done.stdout.rpartition("\\n")
    print(json.dumps({"status": int(status or 0), "body": body, "error": done.stderr}), flush=True)
"""


class Puts:
    """What a sandbox is besides, whose `process` is that program and whose `log` its supervisor writes."""

    @staticmethod
    def puts(url):
        return "/usr/bin/python3", "-uc", PUTS, url

    def put(self, key):
        self.process.stdin.write(key + "\n")
        return json.loads(self.process.stdout.readline() or '{"status": -1}')

    def put_until(self, status, key, seconds=30):
        end = time.monotonic() + seconds
        while (answer := self.put(key))["status"] != status:
            if time.monotonic() > end:
                raise TimeoutError(f"{key}: at last {answer}; see {self.log}")
            time.sleep(0.1)
        return answer
