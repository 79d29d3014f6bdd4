"""Users by grpc-js: policies, settings and proposals (sections 2.5, 3.9 and 3.10 of the description of the wire)."""
from e2e.support.operators import (ABORTED, DENIED, INVALID, NOBODY, NOT_FOUND, OK, PRECONDITION, UNIMPLEMENTED, OperatorsCase, policy, rule)

FOREIGN = "sandbox not found or not owned by caller"


class OperatorsPolicyTest(OperatorsCase):
    def boxed(self, name, **rules):
        """(id, token) of a sandbox with this policy as its first."""
        record = self.sandbox(name, policy=policy(**(rules or {"web": rule("web.example.com")})))
        return record["metadata"]["id"], self.token(name)

    def config(self, box):
        return self.ask("GetSandboxConfig", token=box[1], sandbox_id=box[0])

    def rules(self, box):
        return self.config(box)["policy"]["network_policies"]

    def hosts(self, box, name):
        return [one["host"] for one in self.rules(box)[name]["endpoints"]]

    def test_revisions_of_a_policy(self):
        box = self.boxed("revised")
        first = self.config(box)
        self.assertEqual((first["version"], first["policy_source"], first["workspace"]), (1, "POLICY_SOURCE_SANDBOX", "default"))
        changed = self.ask("UpdateConfig", name="revised", policy=policy(api=rule("api.example.com")), annotations={"why": "a test"})
        self.assertEqual(changed["version"], 2)
        self.assertEqual(changed["annotations"].get("why"), "a test")
        second = self.config(box)
        self.assertEqual((second["version"], second["policy_hash"]), (2, changed["policy_hash"]))
        self.assertNotEqual(second["config_revision"], first["config_revision"])
        self.assertEqual(list(second["policy"]["network_policies"]), ["api"])
        status = lambda version=0: self.ask("GetSandboxPolicyStatus", name="revised", version=version)
        self.assertEqual((status()["revision"]["version"], status()["revision"]["status"]), (2, "POLICY_STATUS_PENDING"))
        report = lambda version, outcome, code=OK, **more: self.ask("ReportPolicyStatus", code, token=box[1], sandbox_id=box[0],
                                                                    version=version, status=f"POLICY_STATUS_{outcome}", **more)
        report(2, "LOADED")
        self.assertEqual((status()["active_version"], status(2)["revision"]["status"]), (2, "POLICY_STATUS_LOADED"))
        self.assertGreater(int(status(2)["revision"]["loaded_at_ms"]), 0)
        self.ask("UpdateConfig", name="revised", policy=policy(third=rule("third.example.com")))
        report(3, "FAILED", load_error="cannot be served")
        failed = status(3)
        self.assertEqual((failed["revision"]["status"], failed["revision"]["load_error"]), ("POLICY_STATUS_FAILED", "cannot be served"))
        self.assertEqual(failed["active_version"], 2)
        revisions = self.ask("ListSandboxPolicies", name="revised")["revisions"]
        self.assertEqual(sorted(one["version"] for one in revisions), [1, 2, 3])
        self.assertEqual({one["version"]: list(one["policy"]["network_policies"]) for one in revisions}[2], ["api"])
        self.assertEqual(len(self.ask("ListSandboxPolicies", name="revised", limit=1)["revisions"]), 1)
        for version, outcome in ((0, "LOADED"), (2, "PENDING"), (2, "UNSPECIFIED")):
            report(version, outcome, INVALID)
        report(9, "LOADED", NOT_FOUND)
        self.ask("GetSandboxPolicyStatus", NOT_FOUND, name="revised", version=9)
        self.ask("GetSandboxPolicyStatus", NOT_FOUND, name="nobody")
        self.ask("ListSandboxPolicies", NOT_FOUND, name="nobody")

    def test_an_update_that_comes_late(self):
        self.boxed("contested")
        version = self.ask("GetSandbox", name="contested")["sandbox"]["metadata"]["resource_version"]
        self.ask("UpdateConfig", name="contested", policy=policy(a=rule("a.example.com")), expected_resource_version=version)
        self.ask("UpdateConfig", ABORTED, name="contested", policy=policy(b=rule("b.example.com")), expected_resource_version=version)
        self.ask("UpdateConfig", NOT_FOUND, name="nobody", policy=policy())
        self.ask("UpdateConfig", INVALID, name="contested", policy=policy(_provider_a=rule("a.example.com")))
        self.ask("UpdateConfig", INVALID, name="contested")

    def test_merge_operations(self):
        allow = lambda method: {"allow": {"method": method, "path": "/**"}}
        web = rule("web.example.com", protocol="rest", rules=[allow("GET")])
        box = self.boxed("merged", web={**web, "binaries": [{"path": "/usr/bin/curl"}, {"path": "/usr/bin/wget"}]})
        merge = lambda *operations, code=OK: self.ask("UpdateConfig", code, name="merged", merge_operations=operations)
        first = self.rules(box)["web"]["endpoints"][0]
        self.assertEqual([one["allow"]["method"] for one in first["rules"]], ["GET"])
        merge({"add_rule": {"rule_name": "api", "rule": rule("api.example.com", "two.example.com")}},
              {"add_allow_rules": {"host": "web.example.com", "port": 443, "rules": [allow("PUT")]}},
              {"add_deny_rules": {"host": "web.example.com", "port": 443, "deny_rules": [{"method": "*", "path": "/private/**"}]}})
        self.assertEqual(sorted(self.hosts(box, "api")), ["api.example.com", "two.example.com"])
        changed = self.rules(box)["web"]["endpoints"][0]
        self.assertEqual([one["allow"]["method"] for one in changed["rules"]], ["GET", "PUT"])
        self.assertEqual([one["path"] for one in changed["deny_rules"]], ["/private/**"])
        merge({"remove_endpoint": {"rule_name": "api", "host": "two.example.com", "port": 443}})
        self.assertEqual(self.hosts(box, "api"), ["api.example.com"])
        merge({"remove_binary": {"rule_name": "web", "binary_path": "/usr/bin/wget"}})
        self.assertEqual([one["path"] for one in self.rules(box)["web"]["binaries"]], ["/usr/bin/curl"])
        merge({"remove_rule": {"rule_name": "api"}})
        self.assertEqual(list(self.rules(box)), ["web"])
        before = self.config(box)["version"]
        done = self.user.say(call="UpdateConfig", request={"name": "merged", "merge_operations": [
            {"remove_rule": {"rule_name": "web"}}, {"add_rule": {"rule_name": "_provider_x", "rule": rule("x.example.com")}}]})
        self.assertNotEqual(done["code"], OK)
        self.assertEqual(self.config(box)["version"], before)  # all of them or none

    def test_settings(self):
        box = self.boxed("set-up")
        put = lambda code=OK, key="ocsf_json_enabled", value=None, **more: self.ask(
            "UpdateConfig", code, setting_key=key, **({"setting_value": value} if value else {}), **more)
        before = self.config(box)["config_revision"]
        put(name="set-up", value={"bool_value": True})
        settings = self.config(box)["settings"]
        self.assertEqual(settings["ocsf_json_enabled"]["value"]["bool_value"], True)
        self.assertEqual(settings["ocsf_json_enabled"]["scope"], "SETTING_SCOPE_SANDBOX")
        self.assertNotEqual(self.config(box)["config_revision"], before)
        self.assertNotIn("policy", settings)
        revision = int(self.ask("GetGatewayConfig")["settings_revision"])
        done = put(key="agent_policy_proposals_enabled", value={"bool_value": True}, **{"global": True})
        self.assertGreater(int(done["settings_revision"]), revision)
        self.assertIs(self.ask("GetGatewayConfig")["settings"]["agent_policy_proposals_enabled"]["bool_value"], True)
        self.assertEqual(self.config(box)["settings"]["agent_policy_proposals_enabled"]["scope"], "SETTING_SCOPE_GLOBAL")
        self.assertIs(put(key="agent_policy_proposals_enabled", delete_setting=True, **{"global": True})["deleted"], True)
        self.assertIs(put(key="agent_policy_proposals_enabled", delete_setting=True, **{"global": True})["deleted"], False)
        put(INVALID, key="of_the_future", value={"bool_value": True}, name="set-up")
        put(INVALID, value={"string_value": "yes"}, name="set-up")
        put(INVALID, delete_setting=True, name="set-up")  # in the global scope alone
        put(INVALID, key="policy", value={"string_value": "x"}, name="set-up")
        put(key="proposal_approval_mode", value={"string_value": "manual"}, name="set-up")
        # What this gateway says that it does not do.
        put(UNIMPLEMENTED, key="proposal_approval_mode", value={"string_value": "auto"}, name="set-up")
        self.ask("UpdateConfig", UNIMPLEMENTED, policy=policy(), **{"global": True})

    def test_what_a_sandbox_may_change_itself(self):
        box = self.boxed("itself")
        own = lambda code=OK, **request: self.ask("UpdateConfig", code, token=box[1], **{"name": "itself", **request})
        held = self.config(box)["policy"]
        current, before = held["network_policies"], self.config(box)["version"]
        wider = {"version": 1, "network_policies": current, "filesystem": {"read_only": ["/usr", "/lib"], "read_write": ["/tmp"]}}
        own(policy=held)  # the same again changes nothing
        own(DENIED, policy=wider)
        # Without a policy it may bring the first paths, and nothing else.
        fresh = self.sandbox("fresh")["metadata"]["id"], self.token("fresh")
        first = lambda code=OK, **parts: self.ask("UpdateConfig", code, token=fresh[1], name="fresh", policy={"version": 1, **parts})
        first(DENIED, network_policies=current)
        first(DENIED, process={"run_as_user": "root"})
        first(filesystem={"read_only": ["/usr"]})
        self.assertEqual(self.config(fresh)["policy"]["filesystem"]["read_only"], ["/usr"])
        first(DENIED, filesystem={"read_only": ["/usr", "/lib"]})
        own(DENIED, policy={**wider, "network_policies": {**current, "more": rule("more.example.com")}})
        own(DENIED, policy=policy())
        self.assertEqual(own(DENIED, policy=wider, **{"global": True}), "sandbox callers cannot mutate global config")
        self.assertEqual(own(DENIED, setting_key="ocsf_json_enabled", delete_setting=True), "sandbox callers cannot delete settings")
        sync = "sandbox callers may only perform sandbox policy sync"
        self.assertEqual(own(DENIED, setting_key="ocsf_json_enabled", setting_value={"bool_value": True}), sync)
        self.assertEqual(own(DENIED), sync)
        self.assertEqual(own(DENIED, name="", policy=wider), FOREIGN)
        own(DENIED, merge_operations=[{"remove_rule": {"rule_name": "web"}}])
        self.assertEqual(self.config(box)["version"], before)

    def chunk(self, name, host, **more):
        return {"rule_name": name, "proposed_rule": rule(host), "rationale": "needed", "binary": "/usr/bin/curl", **more}

    def propose(self, box, name, *chunks, mode="agent_authored"):
        return self.ask("SubmitPolicyAnalysis", token=box[1], name=name, analysis_mode=mode, proposed_chunks=chunks)

    def chunks(self, name, status=""):
        return {one["id"]: one for one in self.ask("GetDraftPolicy", name=name, status_filter=status)["chunks"]}

    def test_a_proposal_is_approved_and_undone(self):
        box = self.boxed("proposer")
        done = self.propose(box, "proposer", self.chunk("new", "new.example.com"), self.chunk("other", "other.example.com"))
        self.assertEqual((done["accepted_chunks"], done["rejected_chunks"]), (2, 0))
        first, second = done["accepted_chunk_ids"]
        pending = self.chunks("proposer", "pending")
        self.assertEqual(sorted(pending), sorted([first, second]))
        self.assertEqual((pending[first]["status"], pending[first]["rule_name"]), ("pending", "new"))
        self.assertEqual(list(self.rules(box)), ["web"])  # proposed is not allowed
        own = self.ask("GetDraftPolicy", token=box[1], name="proposer")
        self.assertEqual({one["id"] for one in own["chunks"]}, {first, second})
        approve = lambda code=OK, **request: self.ask("ApproveDraftChunk", code, **{"name": "proposer", "chunk_id": first, **request})
        approve(PRECONDITION, review_token="of another state")
        approve(NOT_FOUND, chunk_id=NOBODY)
        approved = approve(review_token=self.chunks("proposer")[first]["review_token"])
        self.assertEqual(self.config(box)["version"], approved["policy_version"])
        self.assertEqual(self.hosts(box, "new"), ["new.example.com"])
        self.assertEqual(list(self.chunks("proposer", "approved")), [first])
        undone = self.ask("UndoDraftChunk", name="proposer", chunk_id=first)
        self.assertGreater(undone["policy_version"], approved["policy_version"])
        self.assertEqual(list(self.rules(box)), ["web"])
        self.ask("UndoDraftChunk", PRECONDITION, name="proposer", chunk_id=second)  # it was not approved
        events = [one["event_type"] for one in self.ask("GetDraftHistory", name="proposer")["entries"]]
        self.assertLessEqual({"approved", "undone"}, set(events))

    def test_a_proposal_is_edited_rejected_and_cleared(self):
        box = self.boxed("drafter")
        ids = self.propose(box, "drafter", *(self.chunk(f"rule-{n}", f"host-{n}.example.com") for n in range(4)))["accepted_chunk_ids"]
        before = self.chunks("drafter")[ids[0]]["review_token"]
        self.ask("EditDraftChunk", name="drafter", chunk_id=ids[0], proposed_rule=rule("edited.example.com"))
        if before:
            self.ask("ApproveDraftChunk", PRECONDITION, name="drafter", chunk_id=ids[0], review_token=before)  # of what was seen before
        self.ask("ApproveDraftChunk", name="drafter", chunk_id=ids[0], review_token=self.chunks("drafter")[ids[0]]["review_token"])
        self.assertEqual(self.hosts(box, "rule-0"), ["edited.example.com"])
        self.ask("RejectDraftChunk", name="drafter", chunk_id=ids[1], reason="too wide")
        rejected = self.chunks("drafter", "rejected")
        self.assertEqual((list(rejected), rejected[ids[1]]["rejection_reason"]), ([ids[1]], "too wide"))
        self.ask("RejectDraftChunk", NOT_FOUND, name="drafter", chunk_id=NOBODY)
        self.assertEqual(self.ask("ClearDraftChunks", name="drafter")["chunks_cleared"], 2)
        self.assertEqual(self.chunks("drafter", "pending"), {})
        self.assertEqual(self.hosts(box, "rule-0"), ["edited.example.com"])
        entries = self.ask("GetDraftHistory", name="drafter")["entries"]
        self.assertLessEqual({"edited", "approved", "rejected", "cleared"}, {one["event_type"] for one in entries})
        self.assertIn(ids[1], {one["chunk_id"] for one in entries if one["event_type"] == "rejected"})
        for method, request in (("GetDraftHistory", {}), ("ClearDraftChunks", {}), ("GetDraftPolicy", {}), ("RejectDraftChunk", {"chunk_id": ids[2]})):
            self.ask(method, NOT_FOUND, name="nobody", **request)

    def test_what_cannot_be_proposed(self):
        box = self.boxed("odd-proposer")
        done = self.propose(box, "odd-proposer", self.chunk("", "a.example.com"), self.chunk("_provider_x", "b.example.com"), {"rule_name": "bare"},
                            self.chunk("good", "c.example.com"))
        self.assertEqual((done["accepted_chunks"], done["rejected_chunks"], len(done["rejection_reasons"])), (1, 3, 3))
        self.assertIn("chunk missing rule_name", done["rejection_reasons"])
        submit = lambda code, name: self.ask("SubmitPolicyAnalysis", code, token=box[1], name=name, proposed_chunks=[])
        self.assertEqual(submit(DENIED, ""), FOREIGN)
        self.assertEqual(submit(DENIED, "nobody"), FOREIGN)
        summary = self.ask("SubmitPolicyAnalysis", token=box[1], name="odd-proposer",
                           network_activity_summaries=[{"network_activity_count": 5, "denied_action_count": 1}])
        self.assertEqual((summary["accepted_chunks"], summary["rejected_chunks"]), (0, 0))

    def test_what_is_seen_again_is_counted(self):
        box = self.boxed("counted")
        for _ in range(3):
            self.propose(box, "counted", self.chunk("seen", "seen.example.com"), mode="mechanistic")
        (only,) = self.chunks("counted").values()
        self.assertGreaterEqual(only["hit_count"], 3)
        for _ in range(2):
            self.propose(box, "counted", self.chunk("by-hand", "by-hand.example.com"), mode="agent_authored")
        self.assertEqual(len(self.chunks("counted")), 3)
