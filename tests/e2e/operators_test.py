"""Users by grpc-js: sandboxes, providers and their profiles (sections 3.1 to 3.4 of the description of the wire)."""
import json
import re

from e2e.support.operators import (ABORTED, DENIED, EXISTS, INVALID, NOT_FOUND, OK, PRECONDITION, PROFILE, SECRET, STORE, OperatorsCase,
                                   policy, rule)

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class OperatorsTest(OperatorsCase):
    def test_a_sandbox(self):
        made = self.ask("CreateSandbox", name="one", labels={"team": "red"}, annotations={"note": "by hand"},
                        spec={"environment": {"LANG": "C"}, "policy": policy(web=rule("web.example.com"))})["sandbox"]
        self.addCleanup(self.user.say, call="DeleteSandbox", request={"name": "one"})
        meta = made["metadata"]
        self.assertRegex(meta["id"], UUID)
        self.assertEqual((meta["name"], meta["labels"], meta["annotations"]), ("one", {"team": "red"}, {"note": "by hand"}))
        self.assertEqual(meta["workspace"], "default")
        self.assertGreater(int(meta["resource_version"]), 0)
        self.assertGreater(int(meta["created_at_ms"]), 0)
        self.assertEqual(meta["deletion_timestamp_ms"], "0")
        self.assertEqual(made["status"]["phase"], "SANDBOX_PHASE_PROVISIONING")
        self.assertEqual((made["spec"]["command"], made["spec"]["tty"]), (["/bin/bash", "-l"], True))
        self.assertEqual(made["spec"]["environment"], {"LANG": "C"})
        got = self.ask("GetSandbox", name="one")["sandbox"]
        self.assertEqual(got["metadata"], meta)
        self.assertEqual(list(got["spec"]["policy"]["network_policies"]), ["web"])
        self.assertIn("one", self.ask("CreateSandbox", EXISTS, name="one", spec={}))
        self.assertEqual(self.ask("GetSandbox", INVALID), "name is required")
        self.assertEqual(self.ask("GetSandbox", NOT_FOUND, name="nobody"), "sandbox not found")
        token = self.token("one")
        self.ask("GetSandboxConfig", token=token, sandbox_id=meta["id"])
        self.ask("DeleteSandbox", name="one")
        self.assertNotEqual(self.outcome("GetSandboxConfig", token, sandbox_id=meta["id"])[0], OK)
        self.ask("GetSandbox", NOT_FOUND, name="one")
        self.ask("DeleteSandbox", NOT_FOUND, name="one")

    def test_what_a_sandbox_cannot_be(self):
        self.assertEqual(self.ask("CreateSandbox", INVALID, name="no-spec"), "spec is required")
        for name in ("Upper", "-a", "a-", "under_score", "x" * 64):
            with self.subTest(name):
                self.ask("CreateSandbox", INVALID, name=name, spec={})
        for what, spec in (("a reserved variable", {"environment": {"OPENSHELL_ENDPOINT": "x"}}),
                           ("a variable that is none", {"environment": {"1A": "x"}}), ("a line feed", {"environment": {"A": "x\ny"}}),
                           ("too many providers", {"providers": [f"p{n}" for n in range(33)]}), ("a long level", {"log_level": "x" * 33}),
                           ("an empty program", {"command": [""]}), ("a reserved rule", {"policy": policy(_provider_x=rule("a.example.com"))}),
                           ("too many arguments", {"command": ["a"] * 257})):
            with self.subTest(what):
                self.ask("CreateSandbox", INVALID, name="never", spec=spec)
        self.ask("CreateSandbox", INVALID, name="never", spec={}, labels={"a b": "c"})
        self.assertIn("provider 'nobody' not found", self.ask("CreateSandbox", PRECONDITION, name="never", spec={"providers": ["nobody"]}))
        self.ask("GetSandbox", NOT_FOUND, name="never")
        unnamed = self.ask("CreateSandbox", spec={})["sandbox"]["metadata"]["name"]
        self.addCleanup(self.user.say, call="DeleteSandbox", request={"name": unnamed})
        self.assertTrue(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,17}[a-z0-9])?", unnamed), unnamed)

    def test_lists(self):
        for name, labels in (("list-a", {"set": "lists", "n": "1"}), ("list-b", {"set": "lists", "n": "2"}), ("list-c", {"set": "lists", "n": "1"})):
            self.ask("CreateSandbox", name=name, labels=labels, spec={})
            self.addCleanup(self.user.say, call="DeleteSandbox", request={"name": name})
        names = lambda **query: [one["metadata"]["name"] for one in self.ask("ListSandboxes", **query)["sandboxes"]]
        self.assertEqual(sorted(names(label_selector="set=lists")), ["list-a", "list-b", "list-c"])
        self.assertEqual(sorted(names(label_selector="set=lists,n=1")), ["list-a", "list-c"])
        self.assertEqual(names(label_selector="set=lists,n=3"), [])
        pages = [names(label_selector="set=lists", limit=1, offset=n) for n in range(4)]
        self.assertEqual([len(page) for page in pages], [1, 1, 1, 0])
        self.assertEqual(sorted(sum(pages, [])), ["list-a", "list-b", "list-c"])
        self.assertLessEqual({"list-a", "list-b", "list-c"}, set(names(limit=1000000)))
        self.ask("ListSandboxes", INVALID, label_selector="no-equals-sign")
        self.assertEqual(self.ask("ListSandboxes", INVALID, workspace="default", all_workspaces=True),
                         "all_workspaces and workspace are mutually exclusive")

    def test_one_workspace(self):
        self.sandbox("spaced")
        self.ask("GetSandbox", name="spaced", workspace="default")
        for method, request in (("GetSandbox", {"name": "spaced"}), ("ListSandboxes", {}), ("DeleteSandbox", {"name": "spaced"}),
                                ("CreateSandbox", {"name": "elsewhere", "spec": {}}), ("ListProviders", {}), ("GetProvider", {"name": "x"}),
                                ("UpdateConfig", {"name": "spaced", "policy": policy()}), ("GetDraftPolicy", {"name": "spaced"}),
                                ("ListSandboxPolicies", {"name": "spaced"}), ("GetInferenceRoute", {})):
            with self.subTest(method):
                self.ask(method, NOT_FOUND, **request, workspace="elsewhere")
        self.ask("GetSandbox", name="spaced")

    def test_providers(self):
        self.imported(self.profile())
        made = self.provider("keys")
        self.assertRegex(made["metadata"]["id"], UUID)
        hidden = {"AWS_ACCESS_KEY_ID": "REDACTED", "AWS_SECRET_ACCESS_KEY": "REDACTED"}
        self.assertEqual((made["type"], made["credentials"], made["credential_handles"]), (PROFILE, hidden, {}))
        got = self.ask("GetProvider", name="keys")["provider"]
        self.assertEqual(got, made)
        listed = self.ask("ListProviders")["providers"]
        self.assertIn("keys", [one["metadata"]["name"] for one in listed])
        self.assertNotIn(SECRET, json.dumps([made, got, listed]))
        create = lambda code, **provider: self.ask("CreateProvider", code, provider=provider)
        keys = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B"}
        create(EXISTS, metadata={"name": "keys"}, type=PROFILE, credentials=keys)
        self.assertEqual(self.ask("CreateProvider", INVALID), "provider is required")
        self.assertEqual(create(INVALID, metadata={"name": "x"}, credentials=keys), "provider.type is required")
        self.assertEqual(create(INVALID, metadata={"name": "x"}, type=PROFILE), "provider.credentials must not be empty")
        create(INVALID, metadata={"name": "x"}, type=PROFILE, credentials={**keys, "A": "x" * 8193})
        create(INVALID, metadata={"name": "x"}, type=PROFILE, credentials=keys, credential_handles={"A": {"driver": "d"}})
        create(INVALID, metadata={"name": "x"}, type=PROFILE, credentials=keys, credential_expires_at_ms={"AWS_ACCESS_KEY_ID": "-1"})
        self.ask("GetProvider", NOT_FOUND, name="nobody")
        self.assertIs(self.ask("DeleteProvider", name="nobody")["deleted"], False)
        self.assertIs(self.ask("DeleteProvider", name="keys")["deleted"], True)
        self.ask("GetProvider", NOT_FOUND, name="keys")

    def test_a_provider_changes(self):
        keys = self.profile()["credentials"] + [{"name": "session", "env_vars": ["AWS_SESSION_TOKEN"]}]
        self.imported(self.profile(credentials=keys))
        made = self.provider("changing")
        update = lambda code=OK, version="0", name="changing", **more: self.ask(
            "UpdateProvider", code, provider={"metadata": {"name": name, "resource_version": version}, **more})
        version = made["metadata"]["resource_version"]
        changed = update(version=version, credentials={"AWS_SESSION_TOKEN": SECRET}, config={"AWS_REGION": "eu-west-1"})["provider"]
        self.assertEqual(sorted(changed["credentials"]), ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
        self.assertGreater(int(changed["metadata"]["resource_version"]), int(version))
        update(ABORTED, version=version, credentials={"AWS_SESSION_TOKEN": "late"})
        again = update(credentials={"AWS_SESSION_TOKEN": ""})["provider"]
        self.assertEqual(sorted(again["credentials"]), ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
        self.assertEqual(again["config"], {"AWS_REGION": "eu-west-1"})
        update(INVALID, type="another-type")
        update(NOT_FOUND, name="nobody", credentials={"A": "b"})
        self.assertNotIn(SECRET, json.dumps([changed, again]))

    def test_attaching(self):
        self.imported(self.profile())
        self.provider("attached")
        record = self.sandbox("holder")
        token, identity = self.token("holder"), record["metadata"]["id"]
        environment = lambda: self.ask("GetSandboxProviderEnvironment", token=token, sandbox_id=identity,
                                       supports_static_credential_bindings=True)
        revision = lambda: self.ask("GetSandboxConfig", token=token, sandbox_id=identity)["provider_env_revision"]
        names = {"sandbox_name": "holder", "provider_name": "attached"}
        self.assertEqual(environment()["environment"], {})
        before = revision()
        done = self.ask("AttachSandboxProvider", **names, expected_resource_version=record["metadata"]["resource_version"])
        self.assertIs(done["attached"], True)
        self.assertEqual(done["sandbox"]["spec"]["providers"], ["attached"])
        self.assertIs(self.ask("AttachSandboxProvider", **names)["attached"], False)
        self.ask("AttachSandboxProvider", ABORTED, **names, expected_resource_version="99999")
        self.assertNotEqual(revision(), before)
        given = environment()
        self.assertEqual(given["environment"]["AWS_SECRET_ACCESS_KEY"], SECRET)
        bound = given["static_credential_bindings"]["AWS_SECRET_ACCESS_KEY"]["endpoints"]
        self.assertEqual([(one["host"], one["port"]) for one in bound], [(STORE, 443)])
        blind = self.ask("GetSandboxProviderEnvironment", token=token, sandbox_id=identity)
        self.assertNotIn(SECRET, json.dumps(blind))  # no static credential for who would not bind it
        listed = self.ask("ListSandboxProviders", sandbox_name="holder")["providers"]
        self.assertEqual([one["metadata"]["name"] for one in listed], ["attached"])
        self.assertEqual(set(listed[0]["credentials"].values()), {"REDACTED"})
        refused = self.ask("DeleteProvider", PRECONDITION, name="attached")
        self.assertIn("provider 'attached' is attached", refused)
        self.ask("DetachSandboxProvider", ABORTED, **names, expected_resource_version="99999")
        self.assertIs(self.ask("DetachSandboxProvider", **names)["detached"], True)
        self.assertIs(self.ask("DetachSandboxProvider", **names)["detached"], False)
        self.assertEqual(environment()["environment"], {})
        self.ask("AttachSandboxProvider", NOT_FOUND, sandbox_name="nobody", provider_name="attached")
        self.assertIn(self.outcome("AttachSandboxProvider", sandbox_name="holder", provider_name="nobody")[0], (NOT_FOUND, PRECONDITION))

    def test_two_providers_with_the_same_name_of_a_key(self):
        self.imported(self.profile())
        self.provider("first-keys")
        self.provider("second-keys")
        self.ask("CreateSandbox", PRECONDITION, name="collides", spec={"providers": ["first-keys", "second-keys"]})
        self.sandbox("collides", providers=["first-keys"])
        self.ask("AttachSandboxProvider", PRECONDITION, sandbox_name="collides", provider_name="second-keys")

    def test_profiles(self):
        good = self.profile("interop-profile")
        item = lambda profile: {"profile": profile, "source": "a-file.yaml"}
        self.assertIs(self.ask("LintProviderProfiles", profiles=[item(good)])["valid"], True)
        self.ask("GetProviderProfile", NOT_FOUND, id="interop-profile")  # looked at, not stored
        made = self.imported(good)
        self.assertEqual((made["id"], made["source"]), ("interop-profile", "user"))
        got = self.ask("GetProviderProfile", id="interop-profile")["profile"]
        self.assertEqual(got, made)
        self.assertIn("interop-profile", [one["id"] for one in self.ask("ListProviderProfiles", limit=1000)["profiles"]])
        update = lambda code=OK, identity="interop-profile", version="0", **more: self.ask(
            "UpdateProviderProfiles", code, id=identity, expected_resource_version=version, profile=item({**good, **more}))
        done = update(version=made["resource_version"], description="changed")
        self.assertTrue(done["updated"], done["diagnostics"])
        self.assertGreater(int(done["profile"]["resource_version"]), int(made["resource_version"]))
        update(ABORTED, version=made["resource_version"], description="late")
        self.assertEqual(self.ask("GetProviderProfile", id="interop-profile")["profile"]["description"], "changed")
        for wrong in ({"identity": "another-profile", "version": "1"}, {"version": "0"}):  # another id; no version at all
            self.assertNotEqual(self.outcome("UpdateProviderProfiles", id=wrong.get("identity", "interop-profile"),
                                             expected_resource_version=wrong["version"], profile=item(good))[0], OK)
        self.ask("CreateProvider", provider={"metadata": {"name": "of-profile"}, "type": "interop-profile",
                                             "credentials": {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}})
        self.sandbox("of-profile", providers=["of-profile"])
        self.addCleanup(self.user.say, call="DeleteProvider", request={"name": "of-profile"})
        self.ask("DeleteProviderProfile", PRECONDITION, id="interop-profile")
        self.ask("DeleteSandbox", name="of-profile")
        self.ask("DeleteProvider", name="of-profile")
        self.assertIs(self.ask("DeleteProviderProfile", id="interop-profile")["deleted"], True)
        self.ask("DeleteProviderProfile", NOT_FOUND, id="interop-profile")

    def test_profiles_with_faults(self):
        """A fault is a diagnostic of a call that succeeds, and one fault keeps the whole set out."""
        grant = {"token_endpoint": "http://issuer.example.com/token", "audience": "a"}
        faults = {"an id that is none": self.profile("Not_Kebab"), "no id": self.profile(""),
                  "a grant that is asked for in clear text": self.profile("interop-bad", credentials=[{"name": "g", "token_grant": grant}])}
        for what, profile in faults.items():
            with self.subTest(what):
                bad = {"profile": profile, "source": "bad.yaml"}
                linted = self.ask("LintProviderProfiles", profiles=[bad])
                self.assertIs(linted["valid"], False)
                self.assertIn("error", {one["severity"] for one in linted["diagnostics"]})
                self.assertEqual({one["source"] for one in linted["diagnostics"]}, {"bad.yaml"})
                done = self.ask("ImportProviderProfiles", profiles=[{"profile": self.profile("interop-good"), "source": "good.yaml"}, bad])
                self.assertIs(done["imported"], False)
                self.assertTrue(done["diagnostics"])
                self.ask("GetProviderProfile", NOT_FOUND, id="interop-good")

    def test_sandboxes_are_no_users(self):
        record = self.sandbox("humble")
        token = self.token("humble")
        for method, request in (("CreateSandbox", {"name": "never", "spec": {}}), ("ListSandboxes", {}), ("GetProvider", {"name": "x"}),
                                ("GetSandboxLogs", {"sandbox_id": record["metadata"]["id"]}), ("GetGatewayConfig", {}),
                                ("DeleteSandbox", {"name": "humble"}), ("ApproveDraftChunk", {"name": "humble", "chunk_id": "x"})):
            self.assertEqual(self.ask(method, DENIED, token=token, **request), "sandbox principals may not call this method")
