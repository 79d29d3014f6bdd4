#include "support.hpp"

using namespace keyward;
using namespace keyward::gateway;

TEST_CASE("authenticator: a refreshed token lives on for the overlap, and cannot be refreshed") {
  TestGateway gateway;
  const AuthenticatorChain tolerant = only(std::make_unique<SandboxAuthenticator>(
      gateway.ring, gateway.issuer.rules(), *gateway.store, std::chrono::seconds(30)));
  const std::string old = "Bearer " + gateway.token(gateway.a);
  const auto ask = [&](bool is_refresh) {
    return tolerant.authenticate(
        {old, is_refresh ? "another" : "", is_refresh ? "RefreshSandboxToken" : "Health"},
        gateway.clock.now());
  };
  const auto caller = ask(false);
  REQUIRE(caller);
  const auto next = gateway.issuer.refresh(gateway.a.id, caller->jti, "id-1", gateway.clock.now());
  REQUIRE(next);
  CHECK(ask(false));
  CHECK_FALSE(ask(true));
  CHECK_FALSE(gateway.present(old.substr(7)));  // without an overlap
  REQUIRE(tolerant.authenticate({"Bearer " + std::string(next->token.reveal()), "", "Health"},
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
    return gateway.authenticators.authenticate({text, "", "Health"}, gateway.clock.now());
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
  const AuthenticatorChain authenticator = only(std::make_unique<SandboxAuthenticator>(
      ring, identity::VerifyRules{identity::issuer_of("test"), std::chrono::seconds(3600)},
      *fresh.store));
  identity::SandboxClaims claims{fresh.a.id, identity::issuer_of("test"), random_uuid(),
                                 fresh.clock.now(), fresh.clock.now() + std::chrono::seconds(60)};
  const auto minted = identity::mint_sandbox_token(ring.keys()->current, claims);
  REQUIRE(minted);
  const std::string text = "Bearer " + std::string(minted->reveal());
  const auto refused = authenticator.authenticate({text, "", "Health"}, fresh.clock.now());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::unauthenticated);
}
