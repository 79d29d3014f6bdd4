// The Workload API client against a real server on a unix socket.
#include "identity/spiffe/workload_client.hpp"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "identity/spiffe/agent_status.hpp"
#include "identity/spiffe/endpoint.hpp"
#include "tests/support/fake_agent.hpp"
#include "tests/support/test_directory.hpp"

using namespace keyward;
using namespace keyward::identity;
using namespace std::chrono_literals;
using tests::FakeAgent;
using tests::svid_text;
using tests::workload_id;

namespace {

const std::string audience = "https://as.example";
const SystemClock wall_clock;

struct Fixture {
  tests::TestDirectory folder;
  std::string path = folder / "agent.sock";
  AgentChannel channel{WorkloadEndpoint{path}};
  WorkloadClient client{channel, wall_clock};

  Result<JwtSvid> fetch(std::chrono::milliseconds patience = 5s,
                        const std::string& id = workload_id) {
    return client.fetch_jwt_svid({audience, id}, patience);
  }
};

void add(JWTSVIDResponse& response, const std::string& id, const std::string& token) {
  JWTSVID* entry = response.add_svids();
  entry->set_spiffe_id(id);
  entry->set_svid(token);
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "workload api: a JWT-SVID for a named identity") {
  FakeAgent agent(path);
  agent.answer_jwt([](const JWTSVIDRequest& request, JWTSVIDResponse& response) {
    CHECK(request.audience_size() == 1);
    CHECK(request.spiffe_id() == workload_id);
    add(response, workload_id, svid_text(workload_id, request.audience(0)));
    response.mutable_svids(0)->set_hint("internal");
    return grpc::Status::OK;
  });
  const auto svid = fetch();
  REQUIRE(svid.has_value());
  CHECK(svid->claims.spiffe_id == workload_id);
  CHECK(svid->claims.audience == audience);
  CHECK(svid->hint == "internal");
  CHECK(check_jwt_svid(svid->token.reveal(), {workload_id, audience}, wall_clock.now()));
  CHECK(agent.marks() == std::vector<std::string>{"true"});
}

TEST_CASE_FIXTURE(
    Fixture, "workload api: without a name the only identity is taken, and one of two is not") {
  FakeAgent agent(path);
  REQUIRE(fetch(5s, "").has_value());
  agent.answer_jwt([](const JWTSVIDRequest& request, JWTSVIDResponse& response) {
    for (const char* id : {"spiffe://example.org/a", "spiffe://example.org/b"})
      add(response, id, svid_text(id, request.audience(0)));
    return grpc::Status::OK;
  });
  const auto svid = fetch(5s, "");
  REQUIRE_FALSE(svid.has_value());
  CHECK(svid.error().code == Code::precondition);
  CHECK(svid.error().what.find("name the one") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture,
                  "workload api: answers that are not what was asked for are refused at once") {
  FakeAgent agent(path);
  struct Row {
    const char* name;
    std::function<void(JWTSVIDResponse&)> fill;
    const char* said;
  };
  const std::string good = svid_text(workload_id, audience);
  const std::vector<Row> rows = {
      {"empty", [](JWTSVIDResponse&) {}, "no JWT-SVID"},
      {"doubled",
       [&](JWTSVIDResponse& r) {
         add(r, workload_id, good);
         add(r, workload_id, good);
       },
       "several"},
      {"another id", [&](JWTSVIDResponse& r) { add(r, "spiffe://example.org/b", good); },
       "another identity"},
      {"no id", [&](JWTSVIDResponse& r) { add(r, "", good); }, "no SPIFFE ID"},
      {"no token", [&](JWTSVIDResponse& r) { add(r, workload_id, ""); }, "three parts"},
      {"another sub",
       [&](JWTSVIDResponse& r) {
         add(r, workload_id, svid_text("spiffe://example.org/b", audience));
       },
       "sub"},
      {"another aud",
       [&](JWTSVIDResponse& r) { add(r, workload_id, svid_text(workload_id, "https://b")); },
       "aud"},
      {"expired",
       [&](JWTSVIDResponse& r) {
         add(r, workload_id, svid_text(workload_id, audience, {{"exp", 1000}}));
       },
       "expired"},
      {"long hint",
       [&](JWTSVIDResponse& r) {
         add(r, workload_id, good);
         r.mutable_svids(0)->set_hint(std::string(1025, 'h'));
       },
       "hint"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const int before = agent.calls();
    agent.answer_jwt([&](const JWTSVIDRequest&, JWTSVIDResponse& response) {
      row.fill(response);
      return grpc::Status::OK;
    });
    const auto svid = fetch();
    REQUIRE_FALSE(svid.has_value());
    CHECK(agent_verdict(svid.error().code) == AgentVerdict::misconfigured);
    CHECK(svid.error().what.find(row.said) != std::string::npos);
    CHECK(agent.calls() == before + 1);
  }
  agent.answer_jwt([](const JWTSVIDRequest&, JWTSVIDResponse& response) {
    add(response, workload_id, std::string(2 << 20, 'x'));
    return grpc::Status::OK;
  });
  CHECK_FALSE(fetch(300ms).has_value());
}

TEST_CASE("workload api: every status code means one of three things") {
  using S = grpc::StatusCode;
  struct Row {
    S code;
    AgentVerdict verdict;
  };
  for (const Row& row :
       {Row{S::CANCELLED, AgentVerdict::retry}, Row{S::UNKNOWN, AgentVerdict::retry},
        Row{S::INVALID_ARGUMENT, AgentVerdict::misconfigured},
        Row{S::DEADLINE_EXCEEDED, AgentVerdict::retry},
        Row{S::NOT_FOUND, AgentVerdict::misconfigured},
        Row{S::ALREADY_EXISTS, AgentVerdict::misconfigured},
        Row{S::PERMISSION_DENIED, AgentVerdict::not_registered},
        Row{S::RESOURCE_EXHAUSTED, AgentVerdict::retry},
        Row{S::FAILED_PRECONDITION, AgentVerdict::misconfigured},
        Row{S::ABORTED, AgentVerdict::retry}, Row{S::OUT_OF_RANGE, AgentVerdict::misconfigured},
        Row{S::UNIMPLEMENTED, AgentVerdict::misconfigured}, Row{S::INTERNAL, AgentVerdict::retry},
        Row{S::UNAVAILABLE, AgentVerdict::retry}, Row{S::DATA_LOSS, AgentVerdict::misconfigured},
        Row{S::UNAUTHENTICATED, AgentVerdict::misconfigured}}) {
    CAPTURE(static_cast<int>(row.code));
    const Error error = agent_error(grpc::Status(row.code, "said\r\n\x1b[31m"));
    CHECK(agent_verdict(error.code) == row.verdict);
    CHECK(error.what.find('\n') == std::string::npos);
    CHECK(error.what.find('\x1b') == std::string::npos);
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "workload api: an agent that starts later is waited for, and asked again where "
                  "it is not ready") {
  CHECK(agent_verdict(fetch(100ms).error().code) == AgentVerdict::retry);
  std::unique_ptr<FakeAgent> agent;
  std::jthread starts([&] {
    std::this_thread::sleep_for(300ms);
    agent = std::make_unique<FakeAgent>(path);
    agent->answer_jwt([n = 0](const JWTSVIDRequest& request, JWTSVIDResponse& response) mutable {
      if (++n < 3) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "starting");
      return FakeAgent::usual(request, response);
    });
  });
  CHECK(fetch(10s).has_value());
  starts.join();
  CHECK(agent->calls() == 3);
}

TEST_CASE_FIXTURE(
    Fixture, "workload api: an agent that restarts or whose socket is replaced is found again") {
  auto agent = std::make_unique<FakeAgent>(path);
  REQUIRE(fetch().has_value());
  agent.reset();
  CHECK(agent_verdict(fetch(100ms).error().code) == AgentVerdict::retry);
  agent = std::make_unique<FakeAgent>(path);
  REQUIRE(fetch().has_value());

  // The old agent goes on, but its socket's name leads to another one.
  FakeAgent other(folder / "next.sock");
  std::filesystem::rename(folder / "next.sock", path);
  REQUIRE(fetch().has_value());
  CHECK(other.calls() == 1);
  CHECK(agent->calls() == 1);
}

TEST_CASE_FIXTURE(Fixture, "workload api: what is no agent's socket is said at once") {
  std::ofstream(path) << "a file";
  const auto svid = fetch();
  REQUIRE_FALSE(svid.has_value());
  CHECK(agent_verdict(svid.error().code) == AgentVerdict::misconfigured);
  CHECK(svid.error().what.find("no socket") != std::string::npos);
  CHECK(agent_verdict(client.fetch_jwt_svid({"", ""}, 1s).error().code) ==
        AgentVerdict::misconfigured);
  CHECK(agent_verdict(client.fetch_jwt_svid({audience, "sandbox"}, 1s).error().code) ==
        AgentVerdict::misconfigured);
}

TEST_CASE_FIXTURE(Fixture, "workload api: a silent agent costs the patience and no more") {
  FakeAgent agent(path);
  agent.answer_jwt([](const JWTSVIDRequest&, JWTSVIDResponse&) {
    std::this_thread::sleep_for(600ms);
    return grpc::Status::OK;
  });
  const auto svid = fetch(200ms);
  REQUIRE_FALSE(svid.has_value());
  CHECK(svid.error().code == Code::timeout);
}

TEST_CASE_FIXTURE(Fixture, "workload api: bundles of trust domains") {
  FakeAgent agent(path);
  const std::string keys = R"({"keys":[{"kty":"OKP","crv":"Ed25519","use":"jwt-svid","kid":"a",)"
                           R"("x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";
  agent.answer_bundles([&](JWTBundlesResponse& response) {
    (*response.mutable_bundles())["spiffe://example.org"] = keys;
    return grpc::Status::OK;
  });
  const auto bundles = client.fetch_jwt_bundles(5s);
  REQUIRE(bundles.has_value());
  REQUIRE(bundles->size() == 1);
  CHECK(bundles->at("example.org").at(0).kid == "a");

  agent.answer_bundles([&](JWTBundlesResponse& response) {
    (*response.mutable_bundles())["spiffe://example.org/path"] = keys;
    return grpc::Status::OK;
  });
  CHECK_FALSE(client.fetch_jwt_bundles(5s).has_value());
  agent.answer_bundles([](JWTBundlesResponse& response) {
    (*response.mutable_bundles())["spiffe://example.org"] = "{}";
    return grpc::Status::OK;
  });
  CHECK_FALSE(client.fetch_jwt_bundles(5s).has_value());
  agent.answer_bundles([](JWTBundlesResponse&) {
    return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "no identity issued");
  });
  CHECK(agent_verdict(client.fetch_jwt_bundles(5s).error().code) == AgentVerdict::not_registered);
}

TEST_CASE("workload api: where the socket is") {
  for (const char* good :
       {"unix:///run/spire/agent.sock", "unix:/run/spire/agent.sock", "/run/spire/agent.sock"}) {
    CAPTURE(good);
    const auto endpoint = parse_workload_endpoint("SETTING", good);
    REQUIRE(endpoint.has_value());
    CHECK(endpoint->path == "/run/spire/agent.sock");
  }
  struct Row {
    std::string text;
    const char* said;
  };
  for (const Row& row :
       {Row{"tcp://127.0.0.1:8081", "could reach"}, Row{"tcp:1.2.3.4:1", "could reach"},
        Row{"unix-abstract:agent", "hides"}, Row{"@agent", "hides"}, Row{"unix:@agent", "hides"},
        Row{"unix:agent.sock", "absolute"}, Row{"agent.sock", "absolute"},
        Row{"unix://host/run/agent.sock", "authority"}, Row{"", "absolute"},
        Row{"unix:///run/../agent.sock", "components"}, Row{"/run//agent.sock", "components"},
        Row{"/run/./agent.sock", "components"}, Row{"/run/agent/", "components"},
        Row{"unix:///run/a%2fb", "characters"}, Row{"unix:///run/a?b", "characters"},
        Row{"unix:///run/a b", "characters"}, Row{"http://x/y", "absolute"},
        Row{"/" + std::string(107, 'a'), "107 bytes"}}) {
    CAPTURE(row.text);
    const auto endpoint = parse_workload_endpoint("SETTING", row.text);
    REQUIRE_FALSE(endpoint.has_value());
    CHECK(endpoint.error().what.find(row.said) != std::string::npos);
    CHECK(endpoint.error().what.starts_with("SETTING: "));
  }
  CHECK(parse_workload_endpoint("SETTING", "/" + std::string(106, 'a')).has_value());

  EnvironmentMap environment = {{spiffe_socket_variable, "unix:///b"}};
  CHECK(find_workload_endpoint(environment).value()->path == "/b");
  environment[workload_socket_variable] = "/a";
  CHECK(find_workload_endpoint(environment).value()->path == "/a");
  environment[workload_socket_variable] = "tcp://127.0.0.1:1";  // no falling back
  CHECK(find_workload_endpoint(environment).error().what.starts_with(workload_socket_variable));
  CHECK_FALSE(find_workload_endpoint({}).value().has_value());
}

TEST_CASE_FIXTURE(Fixture, "workload api: cancelled, it waits for no agent") {
  SUBCASE("that does not answer") {
    std::atomic<bool> over{false}, asked{false};
    FakeAgent agent(path);
    agent.answer_jwt([&](const JWTSVIDRequest&, JWTSVIDResponse&) {
      asked = true;
      while (!over) std::this_thread::sleep_for(2ms);
      return grpc::Status::OK;
    });
    {
      const std::jthread ends([&] {
        while (!asked) std::this_thread::sleep_for(2ms);
        client.cancel();
      });
      CHECK_FALSE(fetch(1h).has_value());
    }
    over = true;
  }
  SUBCASE("that is not there") {
    const std::jthread ends([&] {
      std::this_thread::sleep_for(200ms);  // it asks again meanwhile
      client.cancel();
    });
    CHECK(fetch(1h).error().code == Code::unavailable);
  }
  CHECK_FALSE(fetch(1h).has_value());
}
