"""What README.md shows works as it stands there: its policy and its command line, with the AWS CLI."""
import os
import re
import shlex

from e2e.suite import Case
from e2e.support.keyward import Local
from e2e.support.machine import ROOT, wait_until
from e2e.support.s3_servers import Keys

# Answers as S3 does to the upload of a small object, and prints what arrived.
BUCKET = """
import http.server, ssl, sys
class Bucket(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(self.command, self.headers["Host"], self.path, body, self.headers["Authorization"], flush=True)
        self.send_response(200)
        self.send_header("ETag", '"0"')
        self.send_header("Content-Length", "0")
        self.end_headers()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server = http.server.HTTPServer((sys.argv[1], 443), Bucket)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def readme():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        return file.read()


class ReadmeTest(Case):
    def test_the_policy_and_the_local_command(self):
        machine = self.world.machine
        text = re.search(r"```yaml\n(.*?)```", readme(), re.DOTALL)[1]
        host = re.search(r"host: (\S+)", text)[1]
        there = machine.network().there
        certificate, key = self.world.pki.issue(host)
        server = machine.start("readme", ["/usr/bin/python3", "-c", BUCKET, there, certificate, key], inside=True)
        self.addCleanup(machine.stop, server)
        wait_until(lambda: machine.network().listens(443), 10, "the bucket")

        command = re.search(r"^supervisor run --policy .*?[^\\]$", readme(), re.DOTALL | re.MULTILINE)[0].replace("\\\n", " ")
        options, program = [shlex.split(part) for part in command.split(" -- ")]
        workdir = machine.folder("shared/readme")
        machine.write("shared/readme/report.csv", "a,b\n", 0o644)
        options[options.index("--workdir") + 1] = workdir
        sandbox = Local(machine, self.world.pki, names=[host], bind=[host], label="readme")
        # The bucket of the test has a private address; nothing else is added.
        private = re.sub(r"(\n +)(port: 443)", rf"\1\2\1allowed_ips: [{there}/32]", text)
        sandbox.options[sandbox.options.index("--policy") + 1] = machine.write("readme.yaml", private, 0o644)
        shown = {"supervisor", "run", "--policy", "policy.yaml", "--local-credentials", "/etc/keyward/local/aws.toml"}
        done = sandbox.run(*program, options=[word for word in options if word not in shown])
        self.ended_well(done)
        with open(machine.log("readme"), encoding="utf-8") as file:
            arrived = file.read()
        self.assertIn(f"PUT {host} /report.csv b'a,b\\n' AWS4-HMAC-SHA256 Credential={Keys.access}/", arrived)
