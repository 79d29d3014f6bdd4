// From a binding to a header: one question for many requests, renewal, withdrawal and failure.
#include "tests/identity/svid_grants.hpp"

using namespace keyward;
using namespace keyward::identity;
using namespace keyward::identity::tests;

TEST_CASE_FIXTURE(Fixture, "svid grants: a token is asked for once and held") {
  CHECK(made().held_for(binding) == nullptr);
  CHECK(ask() == "Bearer token1");
  CHECK(ask() == "Bearer token1");
  CHECK(made().held_for(binding)->token.reveal() == "token1");
  CHECK(endpoint.asked == 1);
  CHECK(agent.asked == 1);
  CHECK(has(endpoint.forms[0], "client_assertion=svid-for-as.example"));
  GrantBinding other = binding;
  other.grant.audience = {"beta"};
  CHECK(made().token_for(other)->value.reveal() == "Bearer token2");
  other.inject = {"x-token", false};
  CHECK(made().token_for(other)->value.reveal() == "token2");
  CHECK(endpoint.asked == 2);
}

TEST_CASE_FIXTURE(Fixture, "svid grants: many requests on a cold cache are one question") {
  endpoint.answer = [](int number) {
    std::this_thread::sleep_for(200ms);
    return FakeEndpoint::Answer(GrantedToken{Secret("token" + std::to_string(number)), 600s, ""});
  };
  made();
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> requests;
    for (int i = 0; i < 100; ++i)
      requests.emplace_back([&] {
        for (int j = 0; j < 10; ++j) right += ask() == "Bearer token1" ? 1 : 0;
      });
  }
  CHECK(right == 1000);
  CHECK(endpoint.asked == 1);
}

TEST_CASE_FIXTURE(
    Fixture,
    "svid grants: renewed while requests go on with the old one, never used after its end") {
  CHECK(ask() == "Bearer token1");
  clock.ahead = 530;  // usable for 570 s, renewed at 80 % of that and a tenth more at most
  CHECK(ask() == "Bearer token1");
  wait_until([&] { return ask() == "Bearer token2"; });
  CHECK(endpoint.asked == 2);
  endpoint.answer = [](int) { return refused(Code::unavailable, ""); };
  clock.ahead = 530 + 530;
  CHECK(ask() == "Bearer token2");
  wait_until([&] { return endpoint.asked == 3; });
  CHECK(ask() == "Bearer token2");
  clock.ahead = 530 + 570;
  CHECK(has(ask(), "refused"));
  CHECK(made().held_for(binding) == nullptr);
}

TEST_CASE_FIXTURE(Fixture, "svid grants: while a renewal is under way no request waits") {
  CHECK(ask() == "Bearer token1");
  std::atomic<bool> answered{false};
  endpoint.answer = [&](int number) {
    while (!answered) std::this_thread::sleep_for(2ms);
    return FakeEndpoint::Answer(GrantedToken{Secret("token" + std::to_string(number)), 600s, ""});
  };
  clock.ahead = 530;
  std::atomic<int> waited{0}, wrong{0};
  {
    std::vector<std::jthread> requests;
    for (int i = 0; i < 8; ++i)
      requests.emplace_back([&] {
        for (int j = 0; j < 250; ++j) {
          const auto held = made().ask_for(binding, [](const auto&) {});
          if (!held) ++waited;
          if (held && (!held->has_value() || (**held)->token.reveal() != "token1")) ++wrong;
        }
      });
  }
  wait_until([&] { return endpoint.asked == 2; });
  CHECK(waited == 0);
  CHECK(wrong == 0);
  answered = true;
  wait_until([&] { return ask() == "Bearer token2"; });
  CHECK(endpoint.asked == 2);
}

TEST_CASE_FIXTURE(Fixture,
                  "svid grants: a failure is told to everybody, remembered, and over in the end") {
  endpoint.answer = [](int number) {
    if (number > 1) return FakeEndpoint::Answer(GrantedToken{Secret("t"), 600s, ""});
    return FakeEndpoint::Answer(refused(Code::precondition, "invalid_target"));
  };
  const auto failed = made().token_for(binding);
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().code == Code::precondition);
  CHECK(failed.error().what.starts_with("provider:credential: "));
  CHECK(has(failed.error().what, "does not know the audience"));
  CHECK(has(ask(), "invalid_target"));
  CHECK(endpoint.asked == 1);
  clock.ahead = 37;
  CHECK(ask() == "Bearer t");
}

TEST_CASE_FIXTURE(Fixture,
                  "svid grants: a refused proof is tried once more, with another one only") {
  endpoint.answer = [](int number) {
    if (number == 1) return FakeEndpoint::Answer(refused(Code::unauthenticated, "invalid_client"));
    return FakeEndpoint::Answer(GrantedToken{Secret("t"), 600s, ""});
  };
  SUBCASE("the agent has the same one") {
    const std::string said = ask();
    CHECK(has(said, "invalid_client"));
    CHECK(has(said, "neither iss nor jti"));
    CHECK_FALSE(has(said, "svid-for"));
    CHECK(endpoint.asked == 1);
    CHECK(agent.asked == 2);
  }
  SUBCASE("the agent has a fresh one") {
    agent.answer = [](const JwtSvidRequest& request, int number) {
      return FakeAgent::svid_for(request, "svid" + std::to_string(number));
    };
    CHECK(ask() == "Bearer t");
    CHECK(endpoint.asked == 2);
    CHECK(has(endpoint.forms[1], "svid2"));
  }
}

TEST_CASE_FIXTURE(
    Fixture, "svid grants: an agent's failure is the reason, and its kind says when to ask again") {
  agent.answer = [](const JwtSvidRequest& request, int number) -> Result<JwtSvid> {
    if (number == 1) return fail(Code::not_found, "no identity");
    return FakeAgent::svid_for(request, "svid");
  };
  CHECK(has(ask(), "no identity"));
  CHECK(has(ask(), "no identity"));
  CHECK(agent.asked == 1);
  CHECK(endpoint.asked == 0);
  clock.ahead = 7;
  CHECK(ask() == "Bearer token1");
}

TEST_CASE_FIXTURE(Fixture, "svid grants: who waits too long gives up, and the question goes on") {
  settings.patience = 50ms;
  endpoint.answer = [&](int) {
    while (!endpoint.answered) std::this_thread::sleep_for(2ms);
    return FakeEndpoint::Answer(GrantedToken{Secret("late"), 600s, ""});
  };
  const auto late = made().token_for(binding);
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().code == Code::timeout);
  endpoint.answered = true;
  wait_until([&] { return made().held_for(binding) != nullptr; });
  CHECK(endpoint.asked == 1);
}

TEST_CASE_FIXTURE(Fixture, "svid grants: withdrawn grants stop at once, also those under way") {
  CHECK(ask() == "Bearer token1");
  GrantBinding slow = binding;
  slow.grant.audience = {"slow"};
  endpoint.answer = [&](int) {
    while (!endpoint.answered) std::this_thread::sleep_for(2ms);
    return FakeEndpoint::Answer(GrantedToken{Secret("late"), 600s, ""});
  };
  std::string said;
  std::jthread waits([&] {
    const auto header = made().token_for(slow);
    said = header ? "a token" : header.error().what;
  });
  wait_until([&] { return endpoint.asked == 2; });
  made().keep_only(BindingTable::build({binding}).value());
  waits.join();
  CHECK(has(said, "withdrawn"));
  CHECK(made().held_for(binding) != nullptr);
  endpoint.answered = true;
  // Who has chosen a binding before it was withdrawn may come afterwards.
  CHECK(has(made().token_for(slow).error().what, "withdrawn"));
  made().keep_only(BindingTable());
  CHECK(made().held_for(binding) == nullptr);
  CHECK(has(ask(), "withdrawn"));
  CHECK(endpoint.asked == 2);
  made().keep_only(BindingTable::build({binding}).value());
  CHECK(ask() == "Bearer late");
}

TEST_CASE_FIXTURE(Fixture, "svid grants: what has ended when it comes is for nobody") {
  endpoint.answer = [&](int number) {
    if (number == 1) clock.ahead = 18;
    return FakeEndpoint::Answer(GrantedToken{Secret("token" + std::to_string(number)), 20s, ""});
  };
  CHECK(has(ask(), "had ended when it came"));
  CHECK(has(ask(), "had ended when it came"));
  CHECK(made().held_for(binding) == nullptr);
  CHECK(endpoint.asked == 1);
  CHECK(has(made().metrics(), "result=\"unavailable\"} 1"));
  clock.ahead = 20;
  CHECK(ask() == "Bearer token2");
}

TEST_CASE_FIXTURE(Fixture,
                  "svid grants: keys of AWS are held to their own end, and renewed before") {
  struct Sts final : KeyIssuer {
    std::atomic<int> asked{0};
    std::atomic<bool> away{false};
    std::chrono::seconds life{0};
    tl::expected<GrantedKeys, GrantFailure> assume(const Grant&, const JwtSvid& svid) override {
      CHECK(svid.token.reveal() == "svid-for-as.example");
      const int number = ++asked;
      if (away) return refused(Code::unavailable, "Throttling");
      return GrantedKeys{{"ASIA" + std::to_string(number), Secret("s"), Secret("t")},
                         SystemClock().now() + life};
    }
  } sts;
  sts.life = 12h;
  binding.grant.kind = GrantKind::aws_web_identity;
  binding.grant.aws.roles = {{"arn:aws:iam::1:role/r", "", "", 0s}};
  CHECK(has(ask(), "asks STS for no keys"));
  SvidGrants with_sts({agent, endpoint, wall, clock, nullptr, &sts}, settings);
  const auto held = [&] {
    const HeldTokenPtr found = with_sts.held_for(binding);
    return found ? found->keys->pair.access_key_id : std::string();
  };
  CHECK(held().empty());
  wait_until([&] { return held() == "ASIA1"; });
  clock.ahead = 8 * 3600;  // longer than any token; renewed at 8.6 h at the soonest
  CHECK(held() == "ASIA1");
  CHECK(sts.asked == 1);
  sts.away = true;
  clock.ahead = 11 * 3600;  // renewed at 10.6 h at the latest
  CHECK(held() == "ASIA1");
  wait_until([&] { return sts.asked == 2; });
  CHECK(held() == "ASIA1");  // the old ones serve on
  clock.ahead = 12 * 3600;   // ... to their end, and nothing does without
  CHECK(held().empty());
  sts.away = false;
  clock.ahead = 12 * 3600 + 120;
  wait_until([&] { return held() == "ASIA" + std::to_string(sts.asked) && sts.asked > 2; });

  // S3 refuses their session: once, and no others.
  const HeldTokenPtr refused = with_sts.held_for(binding);
  const netproxy::AwsCredentials other{refused->keys->pair.access_key_id, Secret("s"), Secret("u")};
  CHECK_FALSE(with_sts.keys_refused_by_upstream(binding, other));
  CHECK(with_sts.keys_refused_by_upstream(binding, refused->keys->pair));
  CHECK_FALSE(with_sts.keys_refused_by_upstream(binding, refused->keys->pair));
  wait_until([&] { return !held().empty(); });
  CHECK(held() != refused->keys->pair.access_key_id);
  CHECK_FALSE(with_sts.keys_refused_by_upstream(binding, with_sts.held_for(binding)->keys->pair));
}

TEST_CASE_FIXTURE(Fixture, "svid grants: a token that the upstream refuses is replaced once") {
  const auto first = made().token_for(binding);
  CHECK(made().refused_by_upstream(binding, *first));
  CHECK_FALSE(made().refused_by_upstream(binding, *first));  // nothing is held
  const auto second = made().token_for(binding);
  CHECK(second->value.reveal() == "Bearer token2");
  CHECK_FALSE(made().refused_by_upstream(binding, *first));   // that one is gone already
  CHECK_FALSE(made().refused_by_upstream(binding, *second));  // not twice within the pause
  CHECK(endpoint.asked == 2);
}

TEST_CASE_FIXTURE(
    Fixture, "svid grants: a raw JWT-SVID is asked of nobody, and an exchange needs its subject") {
  binding.grant.kind = GrantKind::raw_svid;
  binding.grant.token_endpoint.clear();
  binding.inject = {"x-svid", false};
  CHECK(ask() == "svid-for-as.example");
  CHECK(endpoint.asked == 0);
  binding.grant.kind = GrantKind::token_exchange;
  binding.grant.token_endpoint = "https://as.example/token";
  CHECK(ask() == "token1");
  binding.grant.svid_role = SvidRole::actor;
  CHECK(has(ask(), "needs a user's token"));

  struct Users final : SubjectTokens {
    Result<SubjectToken> subject_for(const Grant&) override {
      return SubjectToken{Secret("user"), {}};
    }
  } users;
  SvidGrants with_users({agent, endpoint, wall, clock, &users}, settings);
  CHECK(with_users.token_for(binding)->value.reveal() == "token2");
  CHECK(has(endpoint.forms[1], "subject_token=user&"));
}

TEST_CASE_FIXTURE(Fixture, "svid grants: whoever sets the clock makes no token live longer") {
  struct Wall final : Clock {
    std::atomic<std::int64_t> ahead{0};  // hours
    TimePoint now() const override {
      return SystemClock().now() + std::chrono::hours(ahead.load());
    }
  } own;
  SvidGrants stepped({agent, endpoint, own, clock}, settings);
  CHECK(stepped.token_for(binding)->value.reveal() == "Bearer token1");
  for (const std::int64_t step : {-1000, 1000, 0}) {
    own.ahead = step;
    CHECK(stepped.token_for(binding)->value.reveal() == "Bearer token1");
  }
  CHECK(endpoint.asked == 1);
  own.ahead = -1000;
  clock.ahead = 570;  // its end, whatever day it is
  CHECK(stepped.token_for(binding)->value.reveal() == "Bearer token2");
}
