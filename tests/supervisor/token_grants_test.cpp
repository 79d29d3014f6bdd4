// Which requests a grant closes, and which tokens they get.  Whom tokens come from is faked here;
// real agents and servers are met in tests/e2e.
#include "supervisor/token_grants.hpp"

#include <doctest/doctest.h>

#include <condition_variable>
#include <mutex>
#include <vector>

using namespace keyward;
using namespace keyward::supervisor;
using netproxy::InjectionPlace;

namespace {

const SystemClock system_time;

identity::GrantBinding binding_of(const std::string& host, const std::string& path = {}) {
  identity::GrantBinding binding;
  binding.where = {host, 443, path};
  binding.identity = "idp:token";
  binding.grant.token_endpoint = "https://idp.test/token";
  binding.grant.svid_audience = "https://idp.test";
  return binding;
}

identity::SandboxGrants grants_of(std::vector<identity::GrantBinding> bindings) {
  auto table = identity::BindingTable::build(std::move(bindings));
  REQUIRE_MESSAGE(table.has_value(), (table ? "" : table.error().what));
  return {std::move(*table), {}};
}

// The answer that comes at once; whatever needs a question is a failure of the test.
Result<netproxy::InjectionPtr> at_once(TokenGrants& grants, const InjectionPlace& place) {
  auto answer = grants.injection_for(place, [](const Result<netproxy::InjectionPtr>&) {});
  CHECK(answer.has_value());
  if (!answer) return fail(Code::internal, "nothing came at once");
  return std::move(*answer);
}

}  // namespace

TEST_CASE("token grants: without any, nothing is injected anywhere") {
  TokenGrants grants(TokenGrantSettings{}, system_time);
  const auto injection = at_once(grants, {"a.test", 443, "/", true});
  REQUIRE(injection.has_value());
  CHECK((*injection)->headers.empty());
  CHECK_FALSE(grants.binds("a.test", 443));
}

TEST_CASE("token grants: who needs a file needs no agent, and the other way round") {
  identity::GrantBinding binding = binding_of("a.test");
  binding.grant.assertion = identity::AssertionSource::service_account;
  TokenGrants none(TokenGrantSettings{}, system_time);
  none.replace(grants_of({binding}));
  const auto refused = at_once(none, {"a.test", 443, "/", true});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().what.find("--grant-assertion-file") != std::string::npos);
  TokenGrantSettings settings;
  settings.assertion_files = {{"https://another.test", "/nowhere"}};
  TokenGrants files(std::move(settings), system_time);
  files.replace(grants_of({binding_of("b.test")}));
  const auto closed = at_once(files, {"b.test", 443, "/", true});
  REQUIRE_FALSE(closed.has_value());
  CHECK(closed.error().what.find(identity::workload_socket_variable) != std::string::npos);
}

TEST_CASE("token grants: without an agent, what is bound is closed and the rest is open") {
  TokenGrants grants(TokenGrantSettings{}, system_time);
  grants.replace(grants_of({binding_of("a.test", "/v1/**")}));
  const auto refused = at_once(grants, {"a.test", 443, "/v1/x", true});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().what.find(identity::workload_socket_variable) != std::string::npos);
  CHECK(at_once(grants, {"a.test", 443, "/v2", true}).has_value());
  CHECK(at_once(grants, {"a.test", 444, "/v1/x", true}).has_value());
  CHECK(at_once(grants, {"b.test", 443, "/v1/x", true}).has_value());
  CHECK(grants.binds("a.test", 443));
  CHECK_FALSE(grants.binds("a.test", 444));
  CHECK_FALSE(grants.binds("b.test", 443));
}

TEST_CASE("token grants: never in clear text") {
  TokenGrants grants(TokenGrantSettings{}, system_time);
  grants.replace(grants_of({binding_of("a.test")}));
  const auto refused = at_once(grants, {"a.test", 443, "/", false});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Code::denied);
  // ... but where its endpoint says so: then it is asked for, which takes an agent.
  identity::GrantBinding open = binding_of("a.b.svc");
  open.cleartext = true;
  grants.replace(grants_of({open}));
  const auto asked = at_once(grants, {"a.b.svc", 443, "/", false});
  REQUIRE_FALSE(asked.has_value());
  CHECK(asked.error().code == Code::precondition);
}

TEST_CASE("token grants: a path that servers read in two ways needs the same tokens in both") {
  TokenGrants grants(TokenGrantSettings{}, system_time);
  identity::GrantBinding admin = binding_of("a.test", "/admin/**");
  identity::GrantBinding all = binding_of("b.test");
  grants.replace(grants_of({admin, all}));
  InjectionPlace place{"a.test", 443, "/public;/../admin/x", true};
  place.lenient = "/admin/x";
  const auto refused = at_once(grants, place);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Code::denied);
  CHECK(refused.error().what.find("two ways") != std::string::npos);
  // The other way round, too.
  std::swap(place.path, *place.lenient);
  CHECK(at_once(grants, place).error().code == Code::denied);
  // Neither reading needs one.
  place.path = "/public;x";
  place.lenient = "/public";
  CHECK(at_once(grants, place).has_value());
  // Both need the same one, for which there is no agent here.
  place.host = "b.test";
  CHECK(at_once(grants, place).error().code == Code::precondition);
}

TEST_CASE("token grants: keys are for places where the policy signs, and for its provider") {
  TokenGrants grants(TokenGrantSettings{}, system_time);
  identity::GrantBinding keys = binding_of("s3.test");
  keys.identity = "store:keys";
  keys.grant.kind = identity::GrantKind::aws_web_identity;
  keys.grant.aws.roles = {{"arn:aws:iam::1:role/r", "", "", std::chrono::seconds(0)}};
  grants.replace(grants_of({keys}));
  InjectionPlace place{"s3.test", 443, "/", true};
  const auto closed = at_once(grants, place);
  REQUIRE_FALSE(closed.has_value());
  CHECK(closed.error().what.find("credential_signing") != std::string::npos);
  place.is_signed = true;
  for (const char* signer : {"", "store"}) {
    place.signer = signer;
    const auto asked = at_once(grants, place);
    REQUIRE_FALSE(asked.has_value());  // it would be asked for: there is no agent here
    CHECK(asked.error().what.find(identity::workload_socket_variable) != std::string::npos);
  }
  place.signer = "other";
  const auto others = at_once(grants, place);
  REQUIRE(others.has_value());
  CHECK_FALSE((*others)->signer.has_value());
}

TEST_CASE("token grants: a grant that cannot be used closes its place, or every place") {
  TokenGrants grants(TokenGrantSettings{}, system_time);
  identity::SandboxGrants one;
  one.refused.push_back({identity::Selector{"a.test", 443, ""}, "the grant is not understood"});
  grants.replace(std::move(one));
  CHECK_FALSE(at_once(grants, {"a.test", 443, "/", true}).has_value());
  CHECK(at_once(grants, {"b.test", 443, "/", true}).has_value());
  CHECK(grants.binds("a.test", 443));

  identity::SandboxGrants all;
  all.refused.push_back({std::nullopt, "the key is malformed"});
  grants.replace(std::move(all));
  for (const char* host : {"a.test", "b.test"}) {
    CHECK_FALSE(at_once(grants, {host, 443, "/", true}).has_value());
    CHECK(grants.binds(host, 443));
  }
  grants.replace({});
  CHECK(at_once(grants, {"a.test", 443, "/", true}).has_value());
}

TEST_CASE("token grants: an agent that is not there is said, and the request is not let through") {
  TokenGrantSettings settings;
  settings.agent = identity::WorkloadEndpoint{"/nonexistent/keyward/agent.sock"};
  settings.grants.agent_patience = std::chrono::milliseconds(300);
  TokenGrants grants(std::move(settings), system_time);
  grants.replace(grants_of({binding_of("a.test")}));
  std::mutex mutex;
  std::condition_variable came;
  std::vector<Result<netproxy::InjectionPtr>> answers;
  constexpr std::size_t requests = 20;
  for (std::size_t i = 0; i < requests; ++i) {
    auto now =
        grants.injection_for({"a.test", 443, "/", true}, [&](Result<netproxy::InjectionPtr> later) {
          const std::lock_guard lock(mutex);
          answers.push_back(std::move(later));
          came.notify_all();
        });
    if (!now) continue;
    const std::lock_guard lock(mutex);
    answers.push_back(std::move(*now));
  }
  std::unique_lock lock(mutex);
  REQUIRE(
      came.wait_for(lock, std::chrono::seconds(30), [&] { return answers.size() == requests; }));
  for (const auto& answer : answers) {
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().code == Code::unavailable);
  }
}
