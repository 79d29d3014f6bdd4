"""Two sandboxes of one gateway cannot tell by any RPC that the other exists (section 7.2 of the description of the wire)."""
from e2e.support.operators import (DENIED, NOBODY, NOT_FOUND, OK, SECRET, UNAUTHENTICATED, OperatorsCase, encoded, policy, rule)

CROSS = "cross-sandbox access denied: principal does not own this sandbox"
UNIFIED = "sandbox not found or not owned by caller"
USERS_ONLY = "sandbox principals may not call this method"
INSTANCE = "22222222-2222-4222-8222-222222222222"
LINE = {"message": "not mine", "level": "INFO", "timestamp_ms": "1700000000000"}

# What names a sandbox by its id: the request for an id.
BY_ID = {
    "GetSandboxConfig": lambda one: {"sandbox_id": one},
    "GetSandboxProviderEnvironment": lambda one: {"sandbox_id": one, "supports_static_credential_bindings": True},
    "ReportPolicyStatus": lambda one: {"sandbox_id": one, "version": 1, "status": "POLICY_STATUS_FAILED", "load_error": "not mine"},
    "ReportMainProcessExit": lambda one: {"sandbox_id": one, "instance_id": INSTANCE, "exit_code": 99},
}
BY_NAME = {
    "SubmitPolicyAnalysis": lambda one: {"name": one, "analysis_mode": "agent_authored",
                                         "proposed_chunks": [{"rule_name": "x", "proposed_rule": rule("x.example.com")}]},
    "GetDraftPolicy": lambda one: {"name": one},
    "UpdateConfig": lambda one: {"name": one, "policy": {**policy(web=rule("web.example.com")), "filesystem": {"read_only": ["/usr"]}}},
}
# What is for users alone: the request for (id, name).
USERS = {
    "GetSandbox": lambda one, name: {"name": name},
    "DeleteSandbox": lambda one, name: {"name": name},
    "ListSandboxes": lambda one, name: {},
    "ListSandboxProviders": lambda one, name: {"sandbox_name": name},
    "AttachSandboxProvider": lambda one, name: {"sandbox_name": name, "provider_name": "apart-keys"},
    "DetachSandboxProvider": lambda one, name: {"sandbox_name": name, "provider_name": "apart-keys"},
    "GetSandboxLogs": lambda one, name: {"sandbox_id": one},
    "GetSandboxPolicyStatus": lambda one, name: {"name": name},
    "ListSandboxPolicies": lambda one, name: {"name": name},
    "GetDraftHistory": lambda one, name: {"name": name},
    "ClearDraftChunks": lambda one, name: {"name": name},
    "ApproveDraftChunk": lambda one, name: {"name": name, "chunk_id": NOBODY},
    "RejectDraftChunk": lambda one, name: {"name": name, "chunk_id": NOBODY},
    "EditDraftChunk": lambda one, name: {"name": name, "chunk_id": NOBODY},
    "UndoDraftChunk": lambda one, name: {"name": name, "chunk_id": NOBODY},
    "GetGatewayConfig": lambda one, name: {},
    "GetProvider": lambda one, name: {"name": "apart-keys"},
    "ListProviders": lambda one, name: {},
    "GetInferenceRoute": lambda one, name: {},
    "SetInferenceRoute": lambda one, name: {"provider_name": "apart-keys", "model_id": "m", "no_verify": True},
    "DeleteInferenceRoute": lambda one, name: {},
}


class OperatorsApartTest(OperatorsCase):
    def setUp(self):
        super().setUp()
        self.imported(self.profile())
        self.provider("apart-keys")
        self.a, self.b = (self.boxed(name) for name in ("apart-a", "apart-b"))
        self.ask("AttachSandboxProvider", sandbox_name="apart-b", provider_name="apart-keys")
        self.ask("SubmitPolicyAnalysis", token=self.b[1], **BY_NAME["SubmitPolicyAnalysis"]("apart-b"))

    def boxed(self, name):
        record = self.sandbox(name, policy=policy(web=rule("web.example.com")))
        return record["metadata"]["id"], self.token(name)

    def of_b(self):
        """All that a user sees of b, but for what time alone changes."""
        names = {"name": "apart-b"}
        return [self.ask(method, **request) for method, request in (
            ("GetSandbox", names), ("ListSandboxPolicies", names), ("GetDraftPolicy", names), ("ListSandboxProviders", {"sandbox_name": "apart-b"}),
            ("GetSandboxLogs", {"sandbox_id": self.b[0], "sources": ["sandbox"]}))]

    def test_by_every_call(self):
        before, (mine, token) = self.of_b(), self.a
        for method, request in BY_ID.items():
            with self.subTest(method):
                self.assertNotIn(self.outcome(method, token, **request(mine))[1], (CROSS, UNIFIED))
                foreign, unknown = (self.outcome(method, token, **request(one)) for one in (self.b[0], NOBODY))
                self.assertEqual(foreign, (DENIED, CROSS))
                self.assertEqual(unknown, foreign)
        for method, request in BY_NAME.items():
            with self.subTest(method):
                self.assertNotIn(self.outcome(method, token, **request("apart-a"))[1], (CROSS, UNIFIED))
                foreign, unknown = (self.outcome(method, token, **request(one)) for one in ("apart-b", "apart-nobody"))
                self.assertEqual(foreign, (DENIED, UNIFIED))
                self.assertEqual(unknown, foreign)
        for method, request in USERS.items():
            with self.subTest(method):
                outcomes = {self.outcome(method, token, **request(*one)) for one in (
                    (mine, "apart-a"), (self.b[0], "apart-b"), (NOBODY, "apart-nobody"))}
                self.assertEqual(outcomes, {(DENIED, USERS_ONLY)})
        self.assertNotIn(SECRET, str(self.ask("GetSandboxProviderEnvironment", token=token, sandbox_id=mine,
                                              supports_static_credential_bindings=True)))
        self.assertEqual(self.ask("GetInferenceBundle", token=token)["routes"], [])
        self.assertEqual(self.of_b(), before)

    def ends(self, method, token, *messages):
        """(code, text) of a stream that is refused."""
        stream = self.stream(f"apart {method} {messages!r:.200}", method, token)
        for message in messages:
            stream.send(**message)
        return stream.end()

    def test_by_streams(self):
        before, (mine, token) = self.of_b(), self.a
        push = lambda *ids: self.user.say(call="PushSandboxLogs", token=token, requests=[{"sandbox_id": one, "logs": [LINE]} for one in ids])
        self.assertEqual(push(mine)["code"], OK)
        for ids in ((self.b[0],), (NOBODY,)):
            self.assertEqual((push(*ids)["code"], push(*ids)["text"]), (DENIED, CROSS))
        self.assertEqual(push(mine, self.b[0])["code"], DENIED)
        self.assertEqual(push(mine, self.b[0])["text"], push(mine, NOBODY)["text"])
        hello = lambda one: {"hello": {"sandbox_id": one, "instance_id": INSTANCE}}
        self.assertEqual([self.ends("ConnectSupervisor", token, hello(one)) for one in (self.b[0], NOBODY)], [(DENIED, CROSS)] * 2)
        watch = [self.ends_of_watch(token, one) for one in (mine, self.b[0], NOBODY)]
        self.assertEqual(watch, [(DENIED, USERS_ONLY)] * 3)
        forward = [self.ends("ForwardTcp", token, {"init": {"sandbox_id": one, "tcp": {"host": "127.0.0.1", "port": 80}}})
                   for one in (mine, self.b[0], NOBODY)]
        self.assertEqual(forward, [(DENIED, USERS_ONLY)] * 3)
        self.assertEqual(self.of_b(), before)

    def ends_of_watch(self, token, one):
        return self.stream(f"apart watch {one}", "WatchSandbox", token, id=one, follow_status=True).end()

    def test_by_relays(self):
        """A channel that waits for b's supervisor is to a what one is that nobody opened; and b's own still works."""
        session = self.stream("apart-b's session", "ConnectSupervisor", self.b[1])
        session.send(hello={"sandbox_id": self.b[0], "instance_id": INSTANCE})
        self.assertEqual(session.read()["payload"], "session_accepted")
        user = self.stream("apart-b's user", "ForwardTcp")
        user.send(init={"sandbox_id": self.b[0], "tcp": {"host": "127.0.0.1", "port": 80}})
        channel = session.read_until(lambda message: message["payload"] == "relay_open")["relay_open"]["channel_id"]
        session.send(relay_open_result={"channel_id": channel, "success": True})
        foreign, unknown = (self.ends("RelayStream", self.a[1], {"init": {"channel_id": one}}) for one in (channel, NOBODY))
        self.assertEqual(foreign[0], NOT_FOUND)
        self.assertEqual(unknown, foreign)
        own = self.stream("apart-b's relay", "RelayStream", self.b[1])
        own.send(init={"channel_id": channel})
        own.send(data=encoded(b"still here"))
        self.assertEqual(user.read()["data"], encoded(b"still here"))

    def test_without_any_token_of_a_sandbox(self):
        """Users may not do what is a sandbox's alone, and nonsense is nobody."""
        for method, request in (*((name, BY_ID[name](self.a[0])) for name in BY_ID if name != "GetSandboxConfig"), ("RefreshSandboxToken", {}),
                                ("IssueSandboxToken", {}), ("SubmitPolicyAnalysis", BY_NAME["SubmitPolicyAnalysis"]("apart-a")),
                                ("GetInferenceBundle", {})):
            with self.subTest(method):
                self.assertEqual(self.outcome(method, **request)[0], DENIED)
                self.assertEqual(self.outcome(method, "nonsense", **request)[0], UNAUTHENTICATED)
