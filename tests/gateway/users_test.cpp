// Users and pods: the authenticators that are asked beside that of sandbox tokens.
#include <doctest/doctest.h>

#include "gateway/authn/jwks_cache.hpp"
#include "gateway/authn/kubernetes_authenticator.hpp"
#include "gateway/authn/local_authenticators.hpp"
#include "gateway/authn/oidc_authenticator.hpp"
#include "tests/support/issuer.hpp"

using namespace keyward;
using namespace keyward::gateway;
using nlohmann::json;
using tests::IssuerKey;

namespace {

constexpr std::int64_t begin_seconds = 1'800'000'000;
const TimePoint begin{std::chrono::seconds(begin_seconds)};
constexpr const char* issuer = "https://idp.example";

// An issuer that can rotate, go down, and counts how often it is asked.
struct TestIssuer {
  std::vector<json> published;
  bool down = false;
  int asked = 0;
  Result<IssuerKeys> fetch() {
    ++asked;
    if (down) return fail(Code::unavailable, "down");
    TRY_ASSIGN(auto keys, identity::parse_jwks(tests::key_set(published)));
    return IssuerKeys{issuer, std::move(keys)};
  }
  JwksCache::Fetch fetcher() {
    return [this] { return fetch(); };
  }
};

json user_claims() {
  return {{"iss", issuer},
          {"aud", "gateway"},
          {"sub", "alice"},
          {"name", "Alice"},
          {"exp", begin_seconds + 100'000},
          {"realm_access", {{"roles", {"openshell-user", "x"}}}},
          {"scope", "openid config:read"}};
}

OidcRules rules() {
  OidcRules rules;
  rules.issuer = issuer;
  rules.audience = "gateway";
  return rules;
}

template <class... Made>
AuthenticatorChain chain_of(std::unique_ptr<Made>... made) {
  std::vector<std::unique_ptr<Authenticator>> chain;
  (chain.push_back(std::move(made)), ...);
  return AuthenticatorChain(std::move(chain));
}

Result<Principal> present(const AuthenticatorChain& chain, const std::string& token,
                          const char* method = "ListSandboxes", TimePoint now = begin) {
  const std::string header = token.empty() ? "" : "Bearer " + token;
  return chain.authenticate({header, "", method}, now);
}

struct OidcFixture {
  IssuerKey key{"ES256", "k1"}, next{"EdDSA", "k2"};
  TestIssuer idp{{key.jwk()}};
  JwksCache cache{idp.fetcher()};
  AuthenticatorChain chain = chain_of(std::make_unique<OidcAuthenticator>(rules(), cache));
};

}  // namespace

TEST_CASE("oidc: a user, with the roles and scopes that the token gives") {
  OidcFixture fixture;
  const auto user = present(fixture.chain, fixture.key.token(user_claims()));
  REQUIRE(user);
  CHECK(user->kind == PrincipalKind::user);
  CHECK(user->user.subject == "alice");
  CHECK(user->user.display_name == "Alice");
  CHECK(user->user.provider == "oidc");
  CHECK(user->user.role == Role::user);
  CHECK_FALSE(user->user.scopes);

  json admin = user_claims();
  admin["realm_access"]["roles"] = {"openshell-admin"};
  CHECK(present(fixture.chain, fixture.key.token(admin))->user.role == Role::admin);
  json nobody = user_claims();
  nobody.erase("realm_access");
  CHECK(present(fixture.chain, fixture.key.token(nobody))->user.role == Role::none);

  OidcRules limited = rules();
  limited.scopes_claim = {"scope"};
  const auto chain = chain_of(std::make_unique<OidcAuthenticator>(limited, fixture.cache));
  const auto scoped = present(chain, fixture.key.token(user_claims()));
  REQUIRE(scoped);
  CHECK(*scoped->user.scopes == std::vector<std::string>{"config:read"});
}

TEST_CASE("oidc: what is refused, and with which words") {
  OidcFixture fixture;
  const auto words = [&](const std::string& token) {
    const auto refused = present(fixture.chain, token);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::unauthenticated);
    CHECK(refused.error().what.find(token) == std::string::npos);
    return refused.error().what;
  };
  json claims = user_claims();
  claims["exp"] = begin_seconds - 100;
  CHECK(words(fixture.key.token(claims)) == "invalid token: expired");
  claims = user_claims();
  claims["aud"] = "another";
  CHECK(words(fixture.key.token(claims)) == "invalid token: aud is not this gateway's");
  claims = user_claims();
  claims["iss"] = "https://another.example";
  CHECK(words(fixture.key.token(claims)) == "invalid token: not issued by this gateway");
  claims = user_claims();
  claims["sub"] = "";
  CHECK(words(fixture.key.token(claims)) == "invalid token: sub is missing or too long");
  CHECK(words(fixture.next.token(user_claims())) == "invalid token: unknown signing key");
  CHECK(words("opaque") == "invalid token: not issued by this gateway");
  CHECK(present(fixture.chain, "")->kind == PrincipalKind::anonymous);
}

TEST_CASE("key cache: rotation, an issuer that is down, and a thousand bogus key ids") {
  OidcFixture fixture;
  TestIssuer& idp = fixture.idp;
  const auto at = [](int seconds) { return begin + std::chrono::seconds(seconds); };
  const std::string old = fixture.key.token(user_claims()),
                    fresh = fixture.next.token(user_claims());
  CHECK(present(fixture.chain, old));
  CHECK(idp.asked == 1);

  for (int i = 0; i < 1000; ++i) {
    json header = fixture.key.header();
    header["kid"] = "bogus-" + std::to_string(i);
    CHECK_FALSE(present(fixture.chain, fixture.key.token(header, user_claims()), "x", at(i / 100)));
  }
  CHECK(idp.asked == 1);  // all within the pause

  idp.published = {fixture.next.jwk()};
  CHECK_FALSE(present(fixture.chain, fresh, "x", at(9)));
  CHECK(present(fixture.chain, fresh, "x", at(10)));  // not remembered as unknown: nobody looked
  CHECK(idp.asked == 2);
  CHECK_FALSE(present(fixture.chain, old, "x", at(11)));

  json header = fixture.key.header();
  header["kid"] = "bogus";
  const std::string bogus = fixture.key.token(header, user_claims());
  for (int i = 0; i < 10; ++i) CHECK_FALSE(present(fixture.chain, bogus, "x", at(20 + 10 * i)));
  CHECK(idp.asked == 3);  // looked for once

  idp.down = true;
  CHECK(present(fixture.chain, fresh, "x", at(20 + 3700)));  // stale keys are better than none
  CHECK(idp.asked == 4);
  CHECK(present(fixture.chain, fresh, "x", at(20 + 3705)));
  CHECK(idp.asked == 4);
  CHECK(present(fixture.chain, fresh, "x", at(0)));  // a clock that was set back
}

TEST_CASE("key cache: without any keys callers are told to come again") {
  OidcFixture fixture;
  fixture.idp.down = true;
  const std::string token = fixture.key.token(user_claims());
  for (int i = 0; i < 5; ++i) {
    const auto refused = present(fixture.chain, token);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::unavailable);
  }
  CHECK(fixture.idp.asked == 1);
  fixture.idp.down = false;
  CHECK(present(fixture.chain, token, "x", begin + std::chrono::seconds(10)));
}

TEST_CASE("certificates: users by their unit, sandboxes never, and a token goes first") {
  struct {
    std::vector<std::string> units;
    Role role;  // none: nobody
  } const cases[] = {{{"openshell-admin"}, Role::admin},
                     {{"openshell-user"}, Role::user},
                     {{"openshell-user", "openshell-admin"}, Role::admin},
                     {{"openshell-sandbox"}, Role::none},
                     {{"openshell-sandbox", "openshell-admin"}, Role::none},
                     {{"something"}, Role::none},
                     {{}, Role::none}};
  const auto chain = chain_of(std::make_unique<CertificateAuthenticator>());
  for (const auto& c : cases) {
    const CertificateSubject subject{"alice", c.units};
    const auto principal = chain.authenticate({"", "", "x", &subject}, begin);
    REQUIRE(principal);
    CHECK((principal->kind == PrincipalKind::user) == (c.role != Role::none));
    CHECK(principal->user.role == c.role);
    CHECK_FALSE(chain.authenticate({"Bearer junk", "", "x", &subject}, begin));
  }
  const CertificateSubject nameless{"", {"openshell-admin"}};
  CHECK(chain.authenticate({"", "", "x", &nameless}, begin)->kind == PrincipalKind::anonymous);
}

TEST_CASE("development user: only where nothing is presented") {
  const auto chain = chain_of(std::make_unique<DevelopmentAuthenticator>());
  CHECK(present(chain, "")->user.subject == "unauthenticated-local-dev");
  CHECK_FALSE(present(chain, "junk"));
}

namespace {

struct TestCluster final : KubernetesApi {
  IssuerKey key{"RS256", "cluster"};
  TestIssuer keys{{key.jwk()}};
  JwksCache cache{keys.fetcher()};
  std::map<std::string, Pod> pods{{"box", {"uid-1", "11111111-1111-4111-8111-111111111111"}}};
  TokenReviewAnswer answer{
      true, "system:serviceaccount:boxes:sandbox", {"openshell-gateway"}, {"box"}, {"uid-1"}};
  bool down = false;
  int reviews = 0, pods_asked = 0;

  Result<TokenReviewAnswer> review(std::string_view) override {
    ++reviews;
    if (down) return fail(Code::unavailable, "down");
    return answer;
  }
  Result<Pod> pod(const std::string& in_namespace, const std::string& name) override {
    ++pods_asked;
    if (down) return fail(Code::unavailable, "down");
    const auto found = pods.find(name);
    if (in_namespace != "boxes" || found == pods.end()) return fail(Code::not_found, "no pod");
    return found->second;
  }
  static json claims() {
    return {{"iss", issuer},
            {"aud", {"openshell-gateway"}},
            {"sub", "system:serviceaccount:boxes:sandbox"},
            {"exp", begin_seconds + 3600},
            {"kubernetes.io",
             {{"namespace", "boxes"},
              {"serviceaccount", {{"name", "sandbox"}, {"uid", "sa"}}},
              {"pod", {{"name", "box"}, {"uid", "uid-1"}}}}}};
  }
};

AuthenticatorChain cluster_chain(ServiceAccountTokens& tokens, TestCluster& cluster) {
  return chain_of(std::make_unique<KubernetesAuthenticator>(KubernetesRules{"boxes", "sandbox"},
                                                            tokens, cluster));
}

}  // namespace

TEST_CASE("kubernetes: by the cluster's keys") {
  TestCluster cluster;
  LocalServiceAccountTokens tokens(cluster.cache);
  const auto chain = cluster_chain(tokens, cluster);
  const auto code = [&](const json& claims, const char* method = "IssueSandboxToken") {
    const auto principal = present(chain, cluster.key.token(claims), method);
    if (!principal) return principal.error().code;
    CHECK(principal->kind == PrincipalKind::sandbox);
    CHECK(principal->proof == SandboxProof::service_account);
    CHECK(principal->sandbox_id == "11111111-1111-4111-8111-111111111111");
    return Code::internal;
  };
  CHECK(code(TestCluster::claims()) == Code::internal);
  CHECK(code(TestCluster::claims(), "GetSandboxConfig") == Code::unauthenticated);

  const auto with = [](std::initializer_list<const char*> path, const json& value) {
    json changed = TestCluster::claims();
    json* at = &changed;
    for (const char* name : path) at = &(*at)[name];
    *at = value;
    return changed;
  };
  CHECK(code(with({"aud"}, "https://kubernetes.default.svc")) == Code::unauthenticated);
  CHECK(code(with({"exp"}, begin_seconds - 61)) == Code::unauthenticated);
  CHECK(code(with({"iss"}, "x")) == Code::unauthenticated);
  CHECK(code(with({"kubernetes.io", "namespace"}, "other")) == Code::denied);
  CHECK(code(with({"kubernetes.io", "serviceaccount", "name"}, "default")) == Code::denied);
  CHECK(code(with({"kubernetes.io", "pod"}, nullptr)) == Code::denied);
  CHECK(code(with({"kubernetes.io", "pod", "name"}, "../secrets/x")) == Code::denied);
  CHECK(code(with({"kubernetes.io", "pod", "name"}, "gone")) == Code::denied);
  CHECK(code(with({"kubernetes.io", "pod", "uid"}, "uid-0")) == Code::denied);
  cluster.pods["box"].sandbox_id = "";
  CHECK(code(TestCluster::claims()) == Code::denied);
  cluster.down = true;
  CHECK(code(TestCluster::claims()) == Code::unavailable);
}

TEST_CASE("kubernetes: by TokenReview") {
  TestCluster cluster;
  ReviewedServiceAccountTokens tokens(cluster);
  const auto chain = cluster_chain(tokens, cluster);
  const std::string token = cluster.key.token(TestCluster::claims());
  const auto code = [&](const std::string& text) {
    const auto principal = present(chain, text, "IssueSandboxToken");
    return principal ? Code::internal : principal.error().code;
  };
  CHECK(code(token) == Code::internal);
  CHECK(cluster.reviews == 1);
  json elsewhere = TestCluster::claims();
  elsewhere["aud"] = "another";
  CHECK(code(cluster.key.token(elsewhere)) == Code::unauthenticated);
  CHECK(code("opaque") == Code::unauthenticated);
  CHECK(cluster.reviews == 1);  // not worth a question

  const TokenReviewAnswer good = cluster.answer;
  const auto answering = [&](auto change) {
    cluster.answer = good;
    change(cluster.answer);
    return code(token);
  };
  using Answer = TokenReviewAnswer;
  CHECK(answering([](Answer& a) { a.authenticated = false; }) == Code::unauthenticated);
  CHECK(answering([](Answer& a) { a.audiences = {}; }) == Code::unauthenticated);
  CHECK(answering([](Answer& a) { a.username = "alice"; }) == Code::denied);
  CHECK(answering([](Answer& a) { a.username = "system:serviceaccount:boxes"; }) == Code::denied);
  CHECK(answering([](Answer& a) { a.username = "system:serviceaccount:boxes:default"; }) ==
        Code::denied);
  CHECK(answering([](Answer& a) { a.pod_names = {}; }) == Code::denied);
  CHECK(answering([](Answer& a) { a.pod_uids = {"uid-1", "uid-2"}; }) == Code::denied);
  // The API server keeps a good answer for some seconds: the pod itself is asked.
  cluster.pods["box"].uid = "uid-2";
  CHECK(answering([](Answer&) {}) == Code::denied);
  cluster.pods["box"].uid = "uid-1";
  CHECK(answering([](Answer&) {}) == Code::internal);
  const int pods_before = cluster.pods_asked;
  CHECK(answering([](Answer& a) { a.username = "system:serviceaccount:boxes:default"; }) ==
        Code::denied);
  CHECK(answering([](Answer& a) { a.username = "system:serviceaccount:other:sandbox"; }) ==
        Code::denied);
  CHECK(cluster.pods_asked == pods_before);  // of no sandbox's account
}

TEST_CASE("kubernetes: who asks much does not use up what others may ask the API server") {
  TestCluster cluster;
  ReviewedServiceAccountTokens tokens(cluster);
  KubernetesAuthenticator authenticator({"boxes", "sandbox"}, tokens, cluster);
  const std::string token = cluster.key.token(TestCluster::claims());
  const auto is_taken = [&](const std::string& source) {
    const Presented presented{"", "", "IssueSandboxToken", nullptr, source};
    const Verdict verdict = authenticator.authenticate(token, presented, begin);
    if (const auto* error = std::get_if<Error>(&verdict)) CHECK(error->code == Code::exhausted);
    return std::holds_alternative<Principal>(verdict);
  };
  int taken = 0;
  for (int i = 0; i < 1000; ++i) taken += is_taken("192.0.2.1") ? 1 : 0;
  CHECK(taken == 20);
  CHECK(cluster.reviews == 20);
  CHECK(is_taken("192.0.2.2"));
  // All together are limited too.
  for (int i = 0; i < 100; ++i) (void)is_taken("198.51.100." + std::to_string(i));
  CHECK(cluster.reviews == 40);
  CHECK_FALSE(is_taken("192.0.2.3"));
}
