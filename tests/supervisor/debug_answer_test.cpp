#include "supervisor/debug_answer.hpp"

#include "identity/jwt/sandbox_token.hpp"
#include "tests/support/fake_gateway.hpp"

using namespace keyward;
using namespace keyward::supervisor;
using identity::RpcError;
using identity::RpcResult;
using identity::SandboxConfig;
using identity::Token;

namespace {

struct FakeTarget final : DebugTarget {
  std::shared_ptr<const Token> held = tests::held(tests::fresh_token());
  std::string asked;
  int code = 0;  // of the gateway's answers

  std::shared_ptr<const Token> token() override { return held; }
  RpcResult<std::shared_ptr<const Token>> refresh() override {
    if (code != 0) return tl::unexpected(RpcError{code, "refused"});
    return held = tests::held(tests::fresh_token());
  }
  RpcResult<SandboxConfig> sandbox_config(const std::string& sandbox_id) override {
    asked = sandbox_id;
    if (code != 0) return tl::unexpected(RpcError{code, "refused"});
    SandboxConfig config;
    config.version = 4;
    config.policy_hash = "abc";
    config.config_revision = 18446744073709551615ULL;
    return config;
  }
  RpcResult<std::string> metrics() override {
    if (code != 0) return tl::unexpected(RpcError{code, "refused"});
    return "# HELP a \"b\"\na{c=\"d\"} 1\n";
  }
};

}  // namespace

TEST_CASE("debug answer: metrics pass as they are") {
  FakeTarget target;
  const auto question = parse_question(to_json(DebugQuestion{DebugCommand::metrics, "", false}));
  REQUIRE(question.has_value());
  const auto said = parse_answer(to_json(answer(*question, target)));
  REQUIRE(said.has_value());
  CHECK(*said->text("metrics") == *target.metrics());
  target.code = 9;
  CHECK(*answer(*question, target).integer("code") == 9);
}

TEST_CASE("debug answer: the token is shown only when it is asked for") {
  FakeTarget target;
  const std::string token(target.held->bearer.reveal());
  const DebugAnswer plain = answer({DebugCommand::show_token, "", false}, target);
  CHECK(to_json(plain).find(token) == std::string::npos);
  CHECK(*plain.text("fingerprint") == target.held->bearer.fingerprint());
  CHECK(*plain.text("sandbox_id") == tests::sandbox_id);
  const DebugAnswer principal = answer({DebugCommand::show_principal, "", true}, target);
  CHECK(to_json(principal).find(token) == std::string::npos);
  CHECK(*principal.text("jti") == target.held->jti);
  CHECK(*principal.text("signature") == "not checked");
  const DebugAnswer refreshed = answer({DebugCommand::refresh, "", true}, target);
  CHECK(to_json(refreshed).find(target.held->bearer.reveal()) == std::string::npos);
  CHECK(*refreshed.text("fingerprint") == target.held->bearer.fingerprint());
  const DebugAnswer raw = answer({DebugCommand::show_token, "", true}, target);
  CHECK(*raw.text("token") == target.held->bearer.reveal());
}

TEST_CASE("debug answer: a principal is verified by the gateway's keys, or not") {
  const identity::SigningKey key = identity::generate_signing_key(),
                             other = identity::generate_signing_key();
  const TimePoint now = SystemClock().now();
  const Secret token =
      identity::mint_sandbox_token(key, {tests::sandbox_id, identity::issuer_of("g"), random_uuid(),
                                         now, now + std::chrono::hours(1)})
          .value();
  const auto check = [&](const identity::SigningKey& with, TimePoint when) {
    const auto keys = identity::parse_jwks(identity::jwks_json({with.verifying_key()})).value();
    return verified_principal(token.clone(), keys, when);
  };
  const DebugAnswer good = check(key, now);
  CHECK(*good.integer("code") == 0);
  CHECK(*good.text("signature") == "verified");
  CHECK(*good.text("iss") == identity::issuer_of("g"));
  CHECK(*good.text("sandbox_id") == tests::sandbox_id);
  CHECK(to_json(good).find(token.reveal()) == std::string::npos);
  for (const DebugAnswer& bad : {check(other, now), check(key, now + std::chrono::hours(2))}) {
    CHECK(*bad.integer("code") == 16);
    CHECK(bad.text("error") != nullptr);
    CHECK_FALSE(bad.has("sub"));
  }
}

TEST_CASE("debug answer: the gateway's code travels") {
  FakeTarget target;
  const DebugAnswer good = answer({DebugCommand::get_sandbox_config, "other", false}, target);
  CHECK(target.asked == "other");
  CHECK(*good.integer("code") == 0);
  CHECK(*good.text("config_revision") == "18446744073709551615");
  target.code = 7;
  const DebugAnswer denied = answer({DebugCommand::get_sandbox_config, "other", false}, target);
  CHECK(*denied.integer("code") == 7);
  CHECK(*denied.text("error") == "refused");
  CHECK(*answer({DebugCommand::refresh, "", false}, target).integer("code") == 7);
}

TEST_CASE("debug answer: an endless token expires at 0") {
  FakeTarget target;
  Token endless;
  endless.bearer = Secret("x");
  endless.expires = identity::never_expires;
  target.held = std::make_shared<const Token>(std::move(endless));
  CHECK(*answer({DebugCommand::show_token, "", false}, target).integer("expires_at_ms") == 0);
}

TEST_CASE("debug answer: questions survive the way") {
  for (const char* name : {"show-principal", "show-token", "refresh", "get-sandbox-config"}) {
    CAPTURE(name);
    const DebugQuestion question{parse_command(name).value(), "a\"b\n", true};
    const auto again = parse_question(to_json(question));
    REQUIRE(again.has_value());
    CHECK(again->command == question.command);
    CHECK(again->sandbox_id == question.sandbox_id);
    CHECK(again->raw);
  }
}

TEST_CASE("debug answer: refuses malformed questions and answers") {
  for (const char* text :
       {"", "{}", "null", R"({"command":"show-token"})",
        R"({"command":"rm","sandbox_id":"","raw":false})",
        R"({"command":"refresh","sandbox_id":"","raw":"yes"})",
        R"({"command":"refresh","sandbox_id":1,"raw":true})",
        R"({"command":"refresh","sandbox_id":"","raw":true,"more":1})",
        R"({"command":"refresh","command":"refresh","sandbox_id":"","raw":true})"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_question(text).has_value());
  }
  for (const char* text : {"", "{}", R"({"code":"0"})", R"({"code":17,"error":"x"})",
                           R"({"code":-1,"error":"x"})", R"({"code":7})"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_answer(text).has_value());
  }
  CHECK(parse_answer(R"({"code":0})").has_value());
}

TEST_CASE("debug answer: names of codes") {
  CHECK(grpc_code_name(0) == "Ok");
  CHECK(grpc_code_name(7) == "PermissionDenied");
  CHECK(grpc_code_name(16) == "Unauthenticated");
  CHECK(grpc_code_name(17) == "Unknown");
  CHECK(grpc_code_name(-1) == "Unknown");
}
