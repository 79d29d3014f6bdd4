"""A secret that never leaves the gateway: the AWS CLI works in the sandbox while its supervisor holds signing keys only."""
import datetime
import hashlib
import hmac
import json
import os
import subprocess

from e2e.canary_test import PROGRAM, as_needles
from e2e.faults_test import pids_below
from e2e.suite import Case
from e2e.support import peers
from e2e.support.gateway_mode import GatewayMode
from e2e.support.keyward import ENVIRONMENT, SIGNING, endpoint, policy
from e2e.support.s3_servers import REGION, Keys
from e2e.support.world import BUCKET

AWS = "aws --endpoint-url https://judge.keyward.test:7443"
DERIVED = ["--derived-keys", "--services", "s3", "--regions", f"eu-west-3,{REGION}"]


def signing_key(date, region, service):
    key = b"AWS4" + Keys.secret.encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def today():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d")


class DerivedKeysTest(Case):
    def sandbox(self, name, provider_options=tuple(DERIVED)):
        return GatewayMode(self.world, self.world.gateway, name, self.world.judge, provider_options)

    def search(self, process, secrets):
        """What the canary program finds in the memory of a supervisor's processes: {name}."""
        pids = ",".join(map(str, [process.pid, *pids_below(process.pid)]))
        done = subprocess.run(["/usr/bin/python3", PROGRAM, "/nowhere", pids], input=as_needles(secrets), capture_output=True,
                              text=True, timeout=300, env=ENVIRONMENT)
        return {line.split()[1] for line in self.ended_well(done).splitlines() if line.startswith("found ")}

    def test_aws_cli_works_and_the_secret_is_nowhere(self):
        sandbox = self.sandbox("derived")
        process = sandbox.start("/bin/bash", "-c", f"""
          cd /tmp; head -c 1048576 /dev/urandom >up
          {AWS} s3 cp --no-progress up s3://{BUCKET}/derived >&2 && {AWS} s3 cp --no-progress s3://{BUCKET}/derived down >&2 &&
          cmp up down && echo the same; read line""")
        self.addCleanup(self.world.machine.stop, process)
        self.assertEqual(process.stdout.readline(), "the same\n")
        self.assertEqual(len(self.world.judge.stored(BUCKET, "derived")), 1048576)
        found = self.search(process, {"secret": Keys.secret, "key-id": Keys.access})
        self.assertEqual(found, {"key-id"})
        _, log = process.communicate("\n", timeout=60)
        self.assertEqual(process.returncode, 0, log)
        self.assertIn("credentials_loaded", log)
        arrived = self.world.judge.requests("PUT", f"/{BUCKET}/derived")[-1]
        self.assertIn(f"Credential={Keys.access}/{today()}/{REGION}/s3/", arrived["authorization"])
        self.nothing_secret_in(log, sandbox)

    def nothing_secret_in(self, log, sandbox):
        """The logs and audit trails of both programs hold neither the secret nor a signing key, in no form."""
        texts = [log, json.dumps(sandbox.audit_events())]
        for path in (self.world.machine.log("gateway"), os.path.join(self.world.gateway.folder, "audit.jsonl")):
            with open(path, encoding="utf-8") as file:
                texts.append(file.read())
        self.assertIn("derived_keys_handed_out", texts[2])
        key = signing_key(today(), REGION, "s3")
        for text in texts:
            for secret in (Keys.secret, key.hex(), key.hex().upper()):
                self.assertNotIn(secret, text)

    def test_no_key_for_the_region_is_503_and_nothing_arrives(self):
        sandbox = self.sandbox("derived-region")
        address = self.world.machine.network().there
        elsewhere = {**SIGNING, "signing_region": "eu-west-1"}
        file = self.world.machine.write("derived-elsewhere.yaml", policy([
            endpoint(self.world.judge.name, self.world.judge.port, address, **elsewhere)]), 0o644)
        sandbox.must("policy", "set", sandbox.name, file)
        done = sandbox.run("/bin/sh", "-c", "curl -sS -i --cacert $CURL_CA_BUNDLE --aws-sigv4 aws:amz:eu-west-1:s3 "
                           "--user $AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "
                           f"-T /etc/hostname https://judge.keyward.test:7443/{BUCKET}/derived-elsewhere")
        answer = self.ended_well(done)
        self.assertRegex(answer, r"HTTP/\S+ 503")
        self.assertRegex(answer, rf"no signing key for date {today()}, region eu-west-1, service s3")
        self.assertIsNone(self.world.judge.stored(BUCKET, "derived-elsewhere"))

    def test_a_supervisor_of_the_contract_alone_gets_nothing_of_it(self):
        sandbox = self.sandbox("derived-foreign")
        with open(sandbox.token_file, encoding="utf-8") as file:
            token = file.read().strip()
        answer = peers.call(self.world.gateway, {
            "method": "GetSandboxProviderEnvironment", "token": token,
            "request": {"sandbox_id": sandbox.sandbox_id, "supports_static_credential_bindings": True}})[0]
        self.assertEqual(answer["code"], 0, answer)
        for gone in (Keys.secret, Keys.access, "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"):
            self.assertNotIn(gone, json.dumps(answer))

    def test_what_the_operator_sees(self):
        sandbox = self.sandbox("derived-list")
        rows = json.loads(sandbox.must("provider", "list", "--json"))
        row = next(row for row in rows if row["name"] == "keys-derived-list")
        self.assertEqual((row["derived_services"], row["derived_regions"]), (["s3"], ["eu-west-3", REGION]))
        self.assertIn(f"keys of s3 in eu-west-3,{REGION}", sandbox.must("provider", "list"))
        with self.assertRaisesRegex(RuntimeError, "no pattern"):
            self.sandbox("derived-star", ["--derived-keys", "--services", "s3", "--regions", "*"])
