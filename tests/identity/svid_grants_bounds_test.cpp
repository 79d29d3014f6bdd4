// How many questions are under way at once, whatever is asked for.
#include "tests/identity/svid_grants.hpp"

using namespace keyward;
using namespace keyward::identity;
using namespace keyward::identity::tests;

namespace {

// Answers when it is let go, and counts who waits for it.
struct Crowd final : TokenEndpoint {
  using Answer = tl::expected<GrantedToken, GrantFailure>;
  std::mutex mutex;                              // guards what follows
  std::map<std::string, unsigned> inside, most;  // by token endpoint
  unsigned all = 0, most_of_all = 0;
  std::atomic<bool> open{false};
  std::atomic<unsigned> now{0};

  Answer ask(const Grant& grant, const Secret&, const ClientCertificate*) override {
    {
      const std::lock_guard lock(mutex);
      unsigned& here = ++inside[grant.token_endpoint];
      most[grant.token_endpoint] = std::max(most[grant.token_endpoint], here);
      most_of_all = std::max(most_of_all, ++all);
    }
    ++now;
    while (!open && grant.token_endpoint != "https://quick.example/token")
      std::this_thread::sleep_for(2ms);
    --now;
    const std::lock_guard lock(mutex);
    --inside[grant.token_endpoint];
    --all;
    return GrantedToken{Secret("token-of-" + grant.audience.front()), 600s, ""};
  }
};

struct Bounds : Fixture {
  Crowd crowd;
  std::optional<SvidGrants> crowded;
  std::atomic<unsigned> answered{0};

  Bounds() { crowded.emplace(GrantDeps{agent, crowd, wall, clock}, settings); }
  ~Bounds() { crowd.open = true; }
  // Another token of the server each time.
  void ask_server(const std::string& server, int number) {
    GrantBinding each = binding;
    each.grant.token_endpoint = "https://" + server + "/token";
    each.grant.svid_audience = "https://" + server;
    each.grant.audience = {std::to_string(number)};
    const auto held = crowded->ask_for(
        each, [this](const Result<HeldTokenPtr>& token) { answered += token.has_value() ? 1 : 0; });
    CHECK_FALSE(held.has_value());
  }
  bool shows(const std::string& gauge, unsigned value) {
    return has(crowded->metrics(),
               ("keyward_supervisor_grant_" + gauge + " " + std::to_string(value) + "\n").c_str());
  }
};

}  // namespace

TEST_CASE_FIXTURE(Bounds, "svid grants: four questions at a time for one server, others go on") {
  for (int i = 0; i < 20; ++i) ask_server("slow.example", i);
  wait_until([&] { return crowd.now == 4; });
  CHECK(shows("fetches_waiting", 16));
  for (int i = 0; i < 10; ++i) ask_server("quick.example", i);
  wait_until([&] { return answered == 10; });
  CHECK(crowd.now == 4);
  crowd.open = true;
  wait_until([&] { return answered == 30; });
  CHECK(crowd.most["https://slow.example/token"] == 4);
  CHECK(crowd.most["https://quick.example/token"] <= 4);
}

TEST_CASE_FIXTURE(Bounds, "svid grants: 32 questions at a time in all") {
  for (int server = 0; server < 15; ++server)
    for (int i = 0; i < 4; ++i) ask_server("as" + std::to_string(server) + ".example", i);
  wait_until([&] { return crowd.now == 32; });
  CHECK(shows("fetches_waiting", 28));
  CHECK(shows("fetches_under_way", 32));
  crowd.open = true;
  wait_until([&] { return answered == 60; });
  CHECK(crowd.most_of_all == 32);
}

TEST_CASE_FIXTURE(Fixture, "svid grants: lives of a second are no question for each request") {
  endpoint.answer = [](int number) {
    return FakeEndpoint::Answer(GrantedToken{Secret("token" + std::to_string(number)), 2s, ""});
  };
  for (int i = 0; i < 100; ++i) CHECK(ask() == "Bearer token1");
  CHECK(endpoint.asked == 1);
  clock.ahead = 1;
  for (int i = 0; i < 100; ++i) CHECK(ask() == "Bearer token2");
  CHECK(endpoint.asked == 2);
}
