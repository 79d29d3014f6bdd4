"""By grpc-js from both sides: a supervisor's session and its relays, logs, watching, inference routes (sections 2.6 to 2.8, 3.6, 3.8, 3.12)."""
import base64
import json
import time

from e2e.support.machine import wait_until
from e2e.support.operators import (DENIED, INVALID, NOBODY, NOT_FOUND, OK, PRECONDITION, SECRET, UNAVAILABLE, OperatorsCase, encoded)

CHUNK = 16 * 1024
INSTANCE = "22222222-2222-4222-8222-222222222222"


class OperatorsSessionsTest(OperatorsCase):
    def session(self, name, instance=INSTANCE):
        """(id, token, stream) of a sandbox whose supervisor is this test."""
        identity, token = self.sandbox(name)["metadata"]["id"], self.token(name)
        return identity, token, self.hello(f"session-{name}", identity, token, instance)

    def hello(self, label, identity, token, instance=INSTANCE):
        stream = self.stream(label, "ConnectSupervisor", token)
        stream.send(hello={"sandbox_id": identity, "instance_id": instance})
        accepted = stream.read()["session_accepted"]
        self.assertTrue(accepted["session_id"])
        self.assertGreater(accepted["heartbeat_interval_secs"], 0)
        return stream

    def status(self, name):
        return self.ask("GetSandbox", name=name)["sandbox"]["status"]

    def until_phase(self, name, phase):
        wait_until(lambda: self.status(name)["phase"] == f"SANDBOX_PHASE_{phase}", 30, f"{name} {phase}")

    def test_a_session_makes_ready(self):
        self.assertEqual(self.sandbox("waits")["status"]["phase"], "SANDBOX_PHASE_PROVISIONING")
        identity, token, stream = self.session("ready")
        self.until_phase("ready", "READY")
        self.assertEqual(self.status("ready")["main_process_instance_id"], INSTANCE)
        stream.send(heartbeat={})
        other = self.stream("session-other", "ConnectSupervisor", token)  # while the first is heard of
        other.send(hello={"sandbox_id": identity, "instance_id": "33333333-3333-4333-8333-333333333333"})
        self.assertTrue(other.read()["session_rejected"]["reason"])
        newer = self.hello("session-newer", identity, token)  # takes the place of the first
        stream.end()
        self.until_phase("ready", "READY")
        newer.cancel()
        self.until_phase("ready", "PROVISIONING")

    def test_what_is_no_session(self):
        identity, token, _ = self.session("strict-hello")
        for what, message, code in (("a heartbeat first", {"heartbeat": {}}, INVALID), ("no id", {"hello": {"instance_id": INSTANCE}}, INVALID),
                                    ("another sandbox", {"hello": {"sandbox_id": NOBODY, "instance_id": INSTANCE}}, DENIED)):
            with self.subTest(what):
                stream = self.stream(f"no-session {what}", "ConnectSupervisor", token)
                stream.send(**message)
                self.assertEqual(stream.end()[0], code)
        self.assertEqual(self.stream("session of a user", "ConnectSupervisor").end()[0], DENIED)

    def test_how_the_main_process_ended(self):
        identity, token, _ = self.session("ends-with")
        self.until_phase("ends-with", "READY")
        report = lambda code, **more: self.ask("ReportMainProcessExit", code, token=token, sandbox_id=identity, exit_code=3, **more)
        report(INVALID)
        report(PRECONDITION, instance_id=NOBODY)  # of an earlier run
        report(OK, instance_id=INSTANCE)
        status = self.status("ends-with")
        self.assertEqual((status["phase"], status["exit_code"]), ("SANDBOX_PHASE_ERROR", 3))
        self.assertIn(("Ready", "False", "MainProcessExited"), [(one["type"], one["status"], one["reason"]) for one in status["conditions"]])

    def relayed(self, name):
        """(user's stream, supervisor's stream) that the gateway has joined, and the session."""
        identity, token, session = self.session(name)
        self.until_phase(name, "READY")
        user = self.stream(f"forward-{name}", "ForwardTcp")
        user.send(init={"sandbox_id": identity, "service_id": "a-test", "tcp": {"host": "127.0.0.1", "port": 8080}})
        opened = session.read_until(lambda message: message["payload"] == "relay_open")["relay_open"]
        self.assertEqual((opened["tcp"]["host"], opened["tcp"]["port"]), ("127.0.0.1", 8080))
        session.send(relay_open_result={"channel_id": opened["channel_id"], "success": True})
        supervisor = self.stream(f"relay-{name}", "RelayStream", token)
        supervisor.send(init={"channel_id": opened["channel_id"]})
        return user, supervisor, session

    def collected(self, stream, size):
        data = b""
        while len(data) < size:
            data += base64.b64decode(stream.read()["data"])
        return data

    def test_bytes_both_ways(self):
        user, supervisor, _ = self.relayed("relay")
        user.send(data=encoded(b"GET / HTTP/1.0\r\n\r\n"))
        self.assertEqual(self.collected(supervisor, 18), b"GET / HTTP/1.0\r\n\r\n")
        supervisor.send(data=encoded(b"\x00\xff" * 8))
        self.assertEqual(self.collected(user, 16), b"\x00\xff" * 8)
        many = [bytes([n]) * CHUNK for n in range(32)]  # more than any buffer on the way
        for chunk in many:
            supervisor.send(data=encoded(chunk))
        self.assertEqual(self.collected(user, CHUNK * len(many)), b"".join(many))
        for chunk in many:
            user.send(data=encoded(chunk))
        self.assertEqual(self.collected(supervisor, CHUNK * len(many)), b"".join(many))
        supervisor.send(data=encoded(b"the last words"))
        supervisor.finish()
        self.assertEqual(self.collected(user, 14), b"the last words")
        user.finish()
        self.assertEqual(user.end()[0], OK)

    def test_a_relay_whose_session_ends(self):
        user, _, session = self.relayed("cut-off")
        session.cancel()
        user.cancel()
        self.until_phase("cut-off", "PROVISIONING")

    def test_what_is_not_relayed(self):
        identity, token, session = self.session("closed")
        self.until_phase("closed", "READY")
        forward = lambda label, **init: self.stream(label, "ForwardTcp").send(init=init) or label
        end = lambda label: self.user_end(label)
        for host, port in (("10.0.0.1", 80), ("example.com", 80), ("169.254.169.254", 80), ("127.0.0.1", 0), ("127.0.0.1", 65536)):
            with self.subTest(f"{host}:{port}"):
                label = forward(f"out to {host}:{port}", sandbox_id=identity, tcp={"host": host, "port": port})
                self.assertEqual(end(label), INVALID)
        self.assertEqual(end(forward("unknown", sandbox_id=NOBODY, tcp={"host": "127.0.0.1", "port": 80})), NOT_FOUND)
        self.sandbox("no-session")
        lonely = self.ask("GetSandbox", name="no-session")["sandbox"]["metadata"]["id"]
        self.assertIn(end(forward("lonely", sandbox_id=lonely, tcp={"host": "localhost", "port": 80})), (PRECONDITION, UNAVAILABLE))
        label = forward("refused", sandbox_id=identity, tcp={"host": "localhost", "port": 81})
        opened = session.read_until(lambda message: message["payload"] == "relay_open")["relay_open"]
        session.send(relay_open_result={"channel_id": opened["channel_id"], "success": False, "error": "connection refused"})
        self.assertIn(end(label), (PRECONDITION, UNAVAILABLE))
        stray = self.stream("stray", "RelayStream", token)
        stray.send(init={"channel_id": NOBODY})
        self.assertEqual(stray.end()[0], NOT_FOUND)
        unnamed = self.stream("unnamed", "RelayStream", token)
        unnamed.send(data=encoded(b"x"))
        self.assertEqual(unnamed.end()[0], INVALID)

    def user_end(self, label):
        for _ in range(50):
            said = self.user.say(read=label, milliseconds=15000)
            if "code" in said:
                return said["code"]
            self.assertIn("message", said, label)
        return None

    def test_logs(self):
        identity, token = self.sandbox("logger")["metadata"]["id"], self.token("logger")
        now = int(time.time() * 1000)
        line = lambda n, level="INFO": {"message": f"line {n}", "level": level, "timestamp_ms": str(now + n), "source": "gateway",
                                        "fields": {"n": str(n)}}
        push = lambda *lines: self.assertEqual(self.user.say(call="PushSandboxLogs", token=token, requests=[
            {"sandbox_id": identity, "logs": lines}])["code"], OK)
        push(line(1), line(2, "WARN"), line(3))
        logs = lambda **query: self.ask("GetSandboxLogs", sandbox_id=identity, **query)
        pushed = lambda **query: [one["message"] for one in logs(**query)["logs"] if one["message"].startswith("line ")]
        self.assertEqual(pushed(), ["line 1", "line 2", "line 3"])
        self.assertGreaterEqual(logs()["buffer_total"], 3)
        self.assertEqual(pushed(lines=1), ["line 3"])
        self.assertEqual(pushed(min_level="WARN"), ["line 2"])
        self.assertEqual(pushed(since_ms=str(now + 2)), ["line 2", "line 3"])
        mine = [one for one in logs(sources=["sandbox"])["logs"] if one["message"] == "line 1"]
        self.assertEqual([(one["source"], one["sandbox_id"], one["fields"]) for one in mine], [("sandbox", identity, {"n": "1"})])
        self.ask("GetSandboxLogs", NOT_FOUND, sandbox_id=NOBODY)
        watch = self.stream("watch-logs", "WatchSandbox", id=identity, follow_logs=True, log_tail_lines=1)
        is_line = lambda text: lambda event: event["payload"] == "log" and event["log"]["message"] == text
        watch.read_until(is_line("line 3"))
        push(line(4))
        watch.read_until(is_line("line 4"))

    def test_watching(self):
        record = self.sandbox("watched")
        identity, token = record["metadata"]["id"], self.token("watched")
        watch = self.stream("watch-status", "WatchSandbox", id=identity, follow_status=True, stop_on_terminal=True)
        first = watch.read()
        self.assertEqual((first["payload"], first["sandbox"]["metadata"]["name"]), ("sandbox", "watched"))
        self.hello("session-watched", identity, token)
        watch.read_until(lambda event: event["payload"] == "sandbox" and event["sandbox"]["status"]["phase"] == "SANDBOX_PHASE_READY")
        self.assertEqual(watch.end()[0], OK)
        self.assertEqual(self.stream("watch-nobody", "WatchSandbox", id=NOBODY, follow_status=True).end()[0], NOT_FOUND)

    def test_inference_routes(self):
        profile = {"id": "interop-model", "display_name": "a model", "category": "PROVIDER_PROFILE_CATEGORY_INFERENCE", "inference_capable": True,
                   "credentials": [{"name": "key", "env_vars": ["OPENAI_API_KEY"], "required": True, "auth_style": "bearer",
                                    "header_name": "authorization"}],
                   "endpoints": [{"host": "models.keyward.test", "port": 443, "protocol": "rest", "access": "full"}]}
        self.imported(profile)
        self.provider("model-keys", "interop-model", OPENAI_API_KEY=SECRET)
        identity = self.sandbox("thinker")["metadata"]["id"]
        token = self.token("thinker")
        bundle = lambda: self.ask("GetInferenceBundle", token=token)
        self.assertEqual(bundle()["routes"], [])
        done = self.ask("SetInferenceRoute", provider_name="model-keys", model_id="model-1", no_verify=True, timeout_secs="30")
        self.addCleanup(self.user.say, call="DeleteInferenceRoute", request={})
        self.assertEqual((done["route_name"], done["model_id"], done["timeout_secs"], done["validation_performed"]),
                         ("inference.local", "model-1", "30", False))
        got = self.ask("GetInferenceRoute")
        self.assertEqual((got["provider_name"], got["model_id"], got["version"]), ("model-keys", "model-1", done["version"]))
        empty = bundle()
        self.assertEqual(empty["routes"], [])  # the provider is not this sandbox's
        self.assertNotIn(SECRET, json.dumps([done, got, empty]))
        self.ask("AttachSandboxProvider", sandbox_name="thinker", provider_name="model-keys")
        full = bundle()
        (route,) = full["routes"]
        self.assertEqual((route["name"], route["model_id"], route["api_key"], route["timeout_secs"]), ("inference.local", "model-1", SECRET, "30"))
        self.assertTrue(route["base_url"].startswith("https://"), route["base_url"])
        self.assertNotEqual(full["revision"], empty["revision"])
        again = self.ask("SetInferenceRoute", provider_name="model-keys", model_id="model-2", no_verify=True)
        self.assertGreater(int(again["version"]), int(done["version"]))
        self.assertEqual(bundle()["routes"][0]["model_id"], "model-2")
        self.ask("DetachSandboxProvider", sandbox_name="thinker", provider_name="model-keys")
        self.assertEqual(bundle()["routes"], [])
        self.assertIs(self.ask("DeleteInferenceRoute")["deleted"], True)
        self.ask("GetInferenceRoute", NOT_FOUND)
        self.assertNotEqual(self.outcome("SetInferenceRoute", provider_name="nobody", model_id="m", no_verify=True)[0], OK)
        self.ask("GetInferenceBundle", DENIED)
        self.assertTrue(identity)
