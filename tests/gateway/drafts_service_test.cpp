// What sandboxes propose, and what users see of it and decide.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>

#include "gateway/cli/commands.hpp"
#include "gateway/rpc/config_changes.hpp"
#include "gateway/rpc/draft_book.hpp"
#include "gateway/rpc/drafts.hpp"
#include "users.hpp"

using namespace keyward;
using namespace keyward::gateway;
using grpc::StatusCode;
using Stub = v1::OpenShell::Stub;
using Rule = openshell::sandbox::v1::NetworkPolicyRule;

namespace {

// About which there is nothing to note.
Rule plain_rule(const std::string& host) {
  Rule rule = rule_for(host);
  rule.mutable_endpoints(0)->set_protocol("rest");
  rule.mutable_endpoints(0)->set_access("read-only");
  rule.add_binaries()->set_path("/usr/bin/curl");
  return rule;
}

v1::PolicyChunk chunk_of(const std::string& name, const Rule& rule) {
  v1::PolicyChunk chunk;
  chunk.set_rule_name(name);
  *chunk.mutable_proposed_rule() = rule;
  return chunk;
}

template <class Request>
Request about(const std::string& id) {
  Request request;
  request.set_name("a");
  request.set_chunk_id(id);
  return request;
}

struct DraftServer : UsersServer {
  std::string bearer = token(a);

  std::pair<grpc::Status, v1::SubmitPolicyAnalysisResponse> submit(
      const std::vector<v1::PolicyChunk>& chunks) {
    v1::SubmitPolicyAnalysisRequest request;
    request.set_name("a");
    request.set_analysis_mode("mechanistic");
    for (const auto& chunk : chunks) *request.add_proposed_chunks() = chunk;
    return call(&Stub::SubmitPolicyAnalysis, bearer, request);
  }
  std::string submit(const std::string& name, const Rule& rule) {
    return submit({chunk_of(name, rule)}).second.accepted_chunk_ids(0);
  }
  v1::GetDraftPolicyResponse drafts(const std::string& caller = "user") {
    v1::GetDraftPolicyRequest request;
    request.set_name("a");
    return call(&Stub::GetDraftPolicy, caller, request).second;
  }
  StatusCode approve(const std::string& id, const std::string& review = "") {
    auto request = about<v1::ApproveDraftChunkRequest>(id);
    request.set_review_token(review);
    return call(&Stub::ApproveDraftChunk, "admin", request).first.error_code();
  }
  StatusCode undo(const std::string& id) {
    return call(&Stub::UndoDraftChunk, "admin", about<v1::UndoDraftChunkRequest>(id))
        .first.error_code();
  }
  StatusCode merge(const v1::PolicyMergeOperation& operation) {
    v1::UpdateConfigRequest request;
    request.set_name("a");
    *request.add_merge_operations() = operation;
    return call(&Stub::UpdateConfig, "admin", request).first.error_code();
  }
  StatusCode add(const std::string& name, const Rule& rule) {
    v1::PolicyMergeOperation operation;
    operation.mutable_add_rule()->set_rule_name(name);
    *operation.mutable_add_rule()->mutable_rule() = rule;
    return merge(operation);
  }
  google::protobuf::Map<std::string, Rule> rules() {
    openshell::sandbox::v1::GetSandboxConfigResponse response;
    REQUIRE(get_config(*stub, bearer, a.id, &response).ok());
    return response.policy().network_policies();
  }
  std::uint32_t revision() { return store->sandbox_by_id(a.id)->policy_version; }
  void put(int number, const std::string& status) {
    v1::PolicyChunk chunk = chunk_of("old", plain_rule("h" + std::to_string(number) + ".example"));
    chunk.set_id("old-" + std::to_string(number));
    chunk.set_status(status);
    chunk.set_decided_at_ms(status == "pending" ? 0 : number + 1);
    REQUIRE(store->put_record({{"draft", a.id, chunk.id()}, chunk.SerializeAsString(), {}, 0}));
  }
  std::uint32_t clear() {
    v1::ClearDraftChunksRequest request;
    request.set_name("a");
    return call(&Stub::ClearDraftChunks, "admin", request).second.chunks_cleared();
  }
};

}  // namespace

TEST_CASE("drafts: proposals grant nothing until they are approved") {
  DraftServer gateway;
  std::vector<v1::PolicyChunk> chunks = {
      chunk_of("api", rule_for("api.example")), chunk_of("empty", {}),
      chunk_of("_provider_x", rule_for("x.example")), chunk_of("broken", rule_for("bad host"))};
  chunks[0].set_status("approved");  // not the proposer's to say
  v1::SubmitPolicyAnalysisRequest foreign;
  foreign.set_name("b");
  for (const std::string& caller : {std::string("admin"), gateway.bearer})
    CHECK(gateway.call(&Stub::SubmitPolicyAnalysis, caller, foreign).first.error_code() ==
          StatusCode::PERMISSION_DENIED);
  const auto taken = gateway.submit(chunks).second;
  CHECK(taken.accepted_chunks() == 1);
  CHECK(taken.rejected_chunks() == 3);
  CHECK(gateway.submit(chunks).second.accepted_chunk_ids(0) == taken.accepted_chunk_ids(0));
  CHECK(gateway.revision() == 0);

  const auto pending = gateway.drafts();
  REQUIRE(pending.chunks_size() == 1);
  CHECK(pending.chunks(0).status() == "pending");
  CHECK(pending.chunks(0).hit_count() == 2);
  CHECK(pending.chunks(0).validation_result() == "valid");
  const std::string id = pending.chunks(0).id(), seen = pending.chunks(0).review_token();

  // What changes under a reviewer's eyes is looked at again.
  auto edit = about<v1::EditDraftChunkRequest>(id);
  *edit.mutable_proposed_rule() = rule_for("bad host");
  CHECK_FALSE(gateway.call(&Stub::EditDraftChunk, "admin", edit).first.ok());
  *edit.mutable_proposed_rule() = rule_for("api2.example");
  CHECK(gateway.call(&Stub::EditDraftChunk, "admin", edit).first.ok());
  CHECK(gateway.approve(id, seen) == StatusCode::FAILED_PRECONDITION);
  auto approve = about<v1::ApproveDraftChunkRequest>(id);
  approve.set_review_token(gateway.drafts().chunks(0).review_token());
  for (const std::string& caller : {std::string("user"), gateway.bearer})
    CHECK(gateway.call(&Stub::ApproveDraftChunk, caller, approve).first.error_code() ==
          StatusCode::PERMISSION_DENIED);
  CHECK(gateway.call(&Stub::ApproveDraftChunk, "admin", approve).second.policy_version() == 1);
  CHECK(gateway.rules().at("api").endpoints(0).host() == "api2.example");
  CHECK(gateway.approve(id) == StatusCode::FAILED_PRECONDITION);  // is approved
  CHECK_FALSE(gateway.drafts().chunks(0).has_candidate_effective_policy());

  CHECK(gateway.undo(id) == StatusCode::OK);
  CHECK(gateway.revision() == 2);
  CHECK(gateway.rules().empty());
  auto reject = about<v1::RejectDraftChunkRequest>(id);
  reject.set_reason("no");
  CHECK(gateway.call(&Stub::RejectDraftChunk, "admin", reject).first.ok());
  CHECK(gateway.drafts().chunks(0).rejection_reason() == "no");
  CHECK(gateway.drafts(gateway.bearer).chunks_size() == 1);

  v1::GetDraftHistoryRequest history;
  history.set_name("a");
  std::string events;
  const auto told = gateway.call(&Stub::GetDraftHistory, "user", history).second;
  for (const auto& entry : told.entries()) events += entry.event_type() + " ";
  CHECK(events == "analysis_cycle analysis_cycle edited approved undone rejected ");
}

TEST_CASE("drafts: a reviewer is told what the rule says, not what the proposer does") {
  DraftServer gateway;
  Rule wide = rule_for("*.wide.example");
  wide.mutable_endpoints(0)->set_tls("skip");
  wide.mutable_endpoints(0)->add_allowed_ips("10.0.0.0/8");
  Rule full = plain_rule("full.example");
  full.mutable_endpoints(0)->set_access("full");
  full.mutable_endpoints(0)->set_credential_signing("sigv4");
  full.mutable_endpoints(0)->set_signing_service("s3");
  full.mutable_binaries(0)->set_path("/opt/**");
  std::vector<v1::PolicyChunk> chunks = {chunk_of("plain", plain_rule("one.example")),
                                         chunk_of("wide", wide), chunk_of("full", full)};
  for (auto& chunk : chunks) {
    chunk.set_binary("/usr/bin/harmless");
    chunk.set_security_notes(chunk.rule_name() == "plain" ? "dangerous" : "");
  }
  const auto [status, taken] = gateway.submit(chunks);
  REQUIRE(taken.accepted_chunks() == 3);  // and the same rule is the same proposal:
  chunks[0].set_binary("/usr/bin/other");
  CHECK(gateway.submit(chunks).second.accepted_chunk_ids(0) == taken.accepted_chunk_ids(0));
  std::map<std::string, v1::PolicyChunk> seen;
  const auto drafts = gateway.drafts();
  for (const auto& chunk : drafts.chunks()) seen[chunk.rule_name()] = chunk;
  CHECK(seen["plain"].binary() == "/usr/bin/curl");
  CHECK(seen["plain"].security_notes().empty());
  CHECK(seen["wide"].binary() == "any program");
  for (const char* note :
       {"any program", "wildcard host", "allowed_ips", "tls: skip", "not protocol"})
    CHECK_MESSAGE(seen["wide"].security_notes().find(note) != std::string::npos, note);
  CHECK(seen["full"].binary() == "/opt/**");
  for (const char* note : {"pattern", "access: full", "credentials"})
    CHECK_MESSAGE(seen["full"].security_notes().find(note) != std::string::npos, note);

  v1::ApproveAllDraftChunksRequest all;
  all.set_name("a");
  const auto done = gateway.call(&Stub::ApproveAllDraftChunks, "admin", all).second;
  CHECK(done.chunks_approved() == 1);
  CHECK(done.chunks_skipped() == 2);
  CHECK(gateway.rules().count("plain") == 1);
  CHECK(gateway.clear() == 2);
  REQUIRE(gateway.store->delete_sandbox("a"));
  CHECK(gateway.store->records("draft", gateway.a.id)->empty());
}

TEST_CASE("drafts: undo takes out what was added, and nothing else") {
  DraftServer gateway;
  SUBCASE("what was there before stays") {
    Rule two = plain_rule("old.example");
    REQUIRE(gateway.add("web", two) == StatusCode::OK);
    *two.add_endpoints() = plain_rule("new.example").endpoints(0);
    const std::string id = gateway.submit("web", two);
    REQUIRE(gateway.approve(id) == StatusCode::OK);
    CHECK(gateway.rules().at("web").endpoints_size() == 2);
    CHECK(gateway.undo(id) == StatusCode::OK);
    REQUIRE(gateway.rules().at("web").endpoints_size() == 1);
    CHECK(gateway.rules().at("web").endpoints(0).host() == "old.example");
  }
  SUBCASE("an approval that added nothing") {
    REQUIRE(gateway.add("web", plain_rule("old.example")) == StatusCode::OK);
    const std::string id = gateway.submit("web", plain_rule("old.example"));
    REQUIRE(gateway.approve(id) == StatusCode::OK);
    CHECK(gateway.undo(id) == StatusCode::FAILED_PRECONDITION);
    CHECK(gateway.rules().count("web") == 1);
  }
  SUBCASE("under the second name, after the first was removed") {
    REQUIRE(gateway.add("web", rule_for("other.example")) == StatusCode::OK);
    const std::string id = gateway.submit("web", plain_rule("new.example"));
    REQUIRE(gateway.approve(id) == StatusCode::OK);
    REQUIRE(gateway.rules().count("web-2") == 1);
    v1::PolicyMergeOperation remove;
    remove.mutable_remove_rule()->set_rule_name("web");
    REQUIRE(gateway.merge(remove) == StatusCode::OK);
    CHECK(gateway.undo(id) == StatusCode::OK);
    CHECK(gateway.rules().empty());
  }
  SUBCASE("changed since") {
    Rule rule = plain_rule("new.example");
    rule.add_binaries()->set_path("/usr/bin/git");
    const std::string id = gateway.submit("web", rule);
    REQUIRE(gateway.approve(id) == StatusCode::OK);
    v1::PolicyMergeOperation change;
    SUBCASE("its programs") {
      change.mutable_remove_binary()->set_rule_name("web");
      change.mutable_remove_binary()->set_binary_path("/usr/bin/git");
    }
    SUBCASE("its endpoint") {
      change.mutable_add_deny_rules()->set_host("new.example");
      change.mutable_add_deny_rules()->set_port(443);
      auto& deny = *change.mutable_add_deny_rules()->add_deny_rules();
      deny.set_method("GET");
      deny.set_path("/admin/**");
    }
    REQUIRE(gateway.merge(change) == StatusCode::OK);
    CHECK(gateway.undo(id) == StatusCode::FAILED_PRECONDITION);
    CHECK(gateway.revision() == 2);
    CHECK(gateway.drafts().chunks(0).status() == "approved");
  }
}

TEST_CASE("drafts: what a sandbox can make the gateway do is limited") {
  DraftServer gateway;
  const auto same = chunk_of("api", plain_rule("api.example"));
  SUBCASE("twenty in a call, each written once, and nothing compiled for it") {
    CHECK(gateway.submit(std::vector(21, same)).first.error_code() == StatusCode::INVALID_ARGUMENT);
    REQUIRE(gateway.submit(std::vector(20, same)).second.accepted_chunks() == 20);
    const auto record = [&] { return gateway.store->records("draft", gateway.a.id)->at(0); };
    CHECK(record().version == 1);
    REQUIRE(gateway.submit(std::vector(20, same)).second.accepted_chunks() == 20);
    CHECK(record().version == 2);
    const auto own = gateway.drafts(gateway.bearer).chunks(0);
    CHECK(own.hit_count() == 40);
    CHECK(own.review_token().empty());
    CHECK(own.validation_result().empty());
    CHECK(own.candidate_effective_policy_hash().empty());
    CHECK_FALSE(gateway.drafts().chunks(0).review_token().empty());
  }
  SUBCASE("two hundred may be pending") {
    for (int i = 0; i < 200; ++i) gateway.put(i, "pending");
    CHECK(gateway.submit({same}).second.rejected_chunks() == 1);
    CHECK(gateway.clear() == 200);
    CHECK(gateway.submit({same}).second.accepted_chunks() == 1);
  }
  SUBCASE("two hundred decided ones are kept beside them") {
    for (int i = 0; i < 200; ++i) gateway.put(i, "rejected");
    const auto taken = gateway.submit({same}).second;
    REQUIRE(taken.accepted_chunks() == 1);
    const auto reject = about<v1::RejectDraftChunkRequest>(taken.accepted_chunk_ids(0));
    REQUIRE(gateway.call(&Stub::RejectDraftChunk, "admin", reject).first.ok());
    CHECK(gateway.store->records("draft", gateway.a.id)->size() == 200);
    CHECK_FALSE(gateway.store->record({"draft", gateway.a.id, "old-0"}));
  }
}

TEST_CASE("drafts: the gateway's own errors end the call") {
  DraftServer gateway;
  gateway.submit("api", plain_rule("api.example"));
  PolicyRow broken;
  broken.policy = "no policy";
  broken.hash = "x";
  REQUIRE(gateway.store->add_policy(gateway.a.id, broken));
  v1::ApproveAllDraftChunksRequest all;
  all.set_name("a");
  CHECK(gateway.call(&Stub::ApproveAllDraftChunks, "admin", all).first.error_code() ==
        StatusCode::INTERNAL);
}

TEST_CASE("drafts: a sandbox's call is about itself, whoever has its name by now") {
  DraftServer gateway;
  Principal caller;
  caller.kind = PrincipalKind::sandbox;
  caller.sandbox_id = gateway.a.id;
  const grpc::ServerContext context;
  const CallContext call{gateway.deps, caller, context};
  v1::SubmitPolicyAnalysisRequest submit;
  submit.set_name("b");
  submit.set_analysis_mode("mechanistic");
  *submit.add_proposed_chunks() = chunk_of("api", plain_rule("api.example"));
  v1::SubmitPolicyAnalysisResponse taken;
  REQUIRE(submit_analysis(call, submit, taken));
  CHECK(gateway.store->records("draft", gateway.a.id)->size() == 1);
  CHECK(gateway.store->records("draft", gateway.b.id)->empty());
  v1::GetDraftPolicyRequest get;
  get.set_name("b");
  v1::GetDraftPolicyResponse drafts;
  REQUIRE(get_draft(call, get, drafts));
  CHECK(drafts.chunks_size() == 1);
  v1::UpdateConfigRequest update;
  update.set_name("b");
  update.mutable_policy()->set_version(1);
  v1::UpdateConfigResponse made;
  REQUIRE(update_config(call, update, made));
  CHECK(gateway.revision() == 1);
  CHECK(gateway.store->sandbox_by_id(gateway.b.id)->policy_version == 0);

  // An approved proposal is not cleared away by who still believes that it is pending; and a count
  // that goes up meanwhile does not undo a decision.
  const SandboxRow sandbox = *gateway.store->sandbox_by_id(gateway.a.id);
  DraftBook book(call, sandbox);
  DraftBook::Entry stale = *book.find(drafts.chunks(0).id(), "pending");
  REQUIRE(submit_analysis(call, submit, taken));
  stale.chunk.set_status("approved");
  CHECK(book.decide(stale, "pending"));
  CHECK(book.find(stale.chunk.id(), "approved")->chunk.hit_count() == 2);
  CHECK(*book.discard(stale.chunk.id()) == false);
}

TEST_CASE("drafts: the command line shows them harmlessly, and approves what was shown") {
  CHECK_FALSE(parse_options({"draft", "approve", "a", "id"}));
  CHECK(parse_options({"draft", "approve", "a", "id", "--review", "t"}));
  struct Client final : ReviewClient {
    using Text = const std::string&;
    std::string reviewed;
    Result<std::vector<DraftInfo>> drafts(const std::string&) override {
      DraftInfo draft;
      draft.id = "id";
      draft.rationale = "a\x1b[b\u009bc\u202ed\u2066\u00e9";
      draft.security_notes = "any program may use it";
      draft.review_token = "t0k3n";
      draft.proposed_rule = R"({"name": "\u202ex", "endpoints": [{"tls": "skip"}]})";
      return std::vector{draft};
    }
    Result<std::uint32_t> approve(Text, Text, Text token) override {
      reviewed = token;
      return 1;
    }
    Result<> reject(Text, Text, Text) override { return {}; }
    Result<std::vector<ProfileInfo>> profiles() override { return {}; }
    Result<> import_profile(const std::string&) override { return {}; }
    Result<> delete_profile(const std::string&) override { return {}; }
  } client;
  const tests::TestDirectory directory;
  const auto printed = [&](DraftCommand::Verb verb, bool json) {
    std::fflush(stdout);
    const int terminal = ::dup(STDOUT_FILENO);
    REQUIRE(std::freopen((directory / "out").c_str(), "w", stdout) != nullptr);
    CHECK(run_draft_command(client, {verb, "a", "id", "", "t"}, json));
    std::fflush(stdout);
    ::dup2(terminal, STDOUT_FILENO);
    ::close(terminal);
    return slurp(directory / "out");
  };
  using Verb = DraftCommand::Verb;
  for (const auto& [verb, json] :
       {std::pair(Verb::list, false), std::pair(Verb::show, false), std::pair(Verb::show, true)}) {
    const std::string text = printed(verb, json);
    for (const char* bad : {"\x1b", "\u009b", "\u202e", "\u2066"})
      CHECK(text.find(bad) == text.npos);
    CHECK(text.find("t0k3n") != text.npos);
    CHECK(text.find("any program") != text.npos);
    CHECK((text.find("skip") != text.npos) == (verb == Verb::show));
  }
  CHECK(printed(Verb::list, false).find("a [b c d \u00e9") != std::string::npos);
  printed(Verb::approve, false);
  CHECK(client.reviewed == "t");
  CHECK_FALSE(run_draft_command(client, {Verb::approve, "a", "id", "", ""}, false));
}
