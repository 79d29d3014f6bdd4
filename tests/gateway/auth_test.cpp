#include "gateway/authz/guard.hpp"
#include "support.hpp"

using namespace keyward;
using namespace keyward::gateway;

TEST_CASE("guard: every method, every kind of caller") {
  const Principal nobody;
  const Principal own{PrincipalKind::sandbox, "one", "j"},
      other{PrincipalKind::sandbox, "two", "j"};
  const Principal root{PrincipalKind::operator_, "", ""};
  struct {
    Method method;
    const Principal& caller;
    Code code;  // internal: allowed
  } const cases[] = {{Method::health, nobody, Code::internal},
                     {Method::health, own, Code::internal},
                     {Method::refresh_sandbox_token, own, Code::internal},
                     {Method::refresh_sandbox_token, nobody, Code::unauthenticated},
                     {Method::refresh_sandbox_token, root, Code::denied},
                     {Method::get_sandbox_config, own, Code::internal},
                     {Method::get_sandbox_config, other, Code::denied},
                     {Method::get_sandbox_config, nobody, Code::unauthenticated},
                     {Method::get_sandbox_config, root, Code::denied},
                     {Method::get_sandbox_provider_environment, own, Code::internal},
                     {Method::get_sandbox_provider_environment, other, Code::denied},
                     {Method::get_sandbox_provider_environment, nobody, Code::unauthenticated},
                     {Method::get_sandbox_provider_environment, root, Code::denied},
                     {Method::report_policy_status, own, Code::internal},
                     {Method::report_policy_status, other, Code::denied},
                     {Method::report_policy_status, nobody, Code::unauthenticated},
                     {Method::report_policy_status, root, Code::denied},
                     {Method::report_main_process_exit, own, Code::internal},
                     {Method::report_main_process_exit, other, Code::denied},
                     {Method::report_main_process_exit, nobody, Code::unauthenticated},
                     {Method::report_main_process_exit, root, Code::denied},
                     {Method::push_sandbox_logs, own, Code::internal},
                     {Method::push_sandbox_logs, other, Code::denied},
                     {Method::push_sandbox_logs, nobody, Code::unauthenticated},
                     {Method::push_sandbox_logs, root, Code::denied},
                     {Method::operator_, own, Code::denied},
                     {Method::operator_, nobody, Code::unauthenticated},
                     {Method::operator_, root, Code::internal}};
  for (const auto& c : cases) {
    CAPTURE(static_cast<int>(c.method));
    CAPTURE(static_cast<int>(c.caller.kind));
    const auto verdict = authorize(c.caller, c.method, "one");
    CHECK(verdict.has_value() == (c.code == Code::internal));
    if (!verdict) CHECK(verdict.error().code == c.code);
  }
  CHECK(authorize(other, Method::get_sandbox_config, "one").error().what ==
        "cross-sandbox access denied: principal does not own this sandbox");
  CHECK_FALSE(authorize(own, Method::get_sandbox_config, ""));
}

TEST_CASE("authenticator: a refreshed token lives on for the overlap, and cannot be refreshed") {
  TestGateway gateway;
  Authenticator tolerant(gateway.ring, gateway.issuer.rules(), *gateway.store,
                         std::chrono::seconds(30));
  const std::string old = "Bearer " + gateway.token(gateway.a);
  const auto ask = [&](bool is_refresh) {
    return tolerant.authenticate({old, is_refresh ? "another" : "", is_refresh},
                                 gateway.clock.now());
  };
  const auto caller = ask(false);
  REQUIRE(caller);
  const auto next = gateway.issuer.refresh(gateway.a.id, caller->jti, "id-1", gateway.clock.now());
  REQUIRE(next);
  CHECK(ask(false));
  CHECK_FALSE(ask(true));
  CHECK_FALSE(gateway.present(old.substr(7)));  // without an overlap
  REQUIRE(tolerant.authenticate({"Bearer " + std::string(next->token.reveal()), "", false},
                                gateway.clock.now()));
  gateway.clock.time += std::chrono::seconds(29);
  CHECK(ask(false));
  gateway.clock.time += std::chrono::seconds(2);
  CHECK_FALSE(ask(false));
  gateway.clock.time -= std::chrono::seconds(20);
  REQUIRE(gateway.store->delete_sandbox("a"));
  CHECK_FALSE(ask(false));
}

TEST_CASE("authenticator: what is no valid token of a living sandbox is refused") {
  TestGateway gateway;
  const std::string token = gateway.token(gateway.a);
  const auto principal = gateway.present(token);
  REQUIRE(principal);
  CHECK(principal->kind == PrincipalKind::sandbox);
  CHECK(principal->sandbox_id == gateway.a.id);

  const auto header = [&](const std::string& text) {
    return gateway.authenticator.authenticate({text, "", false}, gateway.clock.now());
  };
  CHECK(header("")->kind == PrincipalKind::anonymous);
  std::string flipped = token;
  flipped[flipped.size() - 10] = flipped[flipped.size() - 10] == 'A' ? 'B' : 'A';
  for (const std::string& text :
       {token, "bearer " + token, "Bearer  " + token, "Bearer" + token, "Basic " + token,
        "Bearer " + token + " ", "Bearer " + flipped, std::string("Bearer "),
        std::string("Bearer a.b.c"), "Bearer " + token.substr(0, token.rfind('.') + 1)}) {
    CAPTURE(text);
    const auto refused = header(text);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::unauthenticated);
    CHECK(refused.error().what.find(token) == std::string::npos);
  }
}

TEST_CASE("authenticator: time, keys and issuers") {
  TestGateway gateway;
  const std::string token = gateway.token(gateway.a);
  gateway.clock.time += std::chrono::seconds(3600 + 59);
  CHECK(gateway.present(token));
  gateway.clock.time += std::chrono::seconds(5);
  CHECK_FALSE(gateway.present(token));

  TestGateway stranger;  // another key, the same names
  CHECK_FALSE(gateway.present(stranger.token(stranger.a)));

  // The right key, and a jti that was never persisted.
  TestGateway fresh;
  KeyRing ring(identity::generate_signing_key());
  Authenticator authenticator(ring, {identity::issuer_of("test"), std::chrono::seconds(3600)},
                              *fresh.store);
  identity::SandboxClaims claims{fresh.a.id, identity::issuer_of("test"), random_uuid(),
                                 fresh.clock.now(), fresh.clock.now() + std::chrono::seconds(60)};
  const auto minted = identity::mint_sandbox_token(ring.keys()->current, claims);
  REQUIRE(minted);
  const std::string text = "Bearer " + std::string(minted->reveal());
  const auto refused = authenticator.authenticate({text, "", false}, fresh.clock.now());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::unauthenticated);
}
