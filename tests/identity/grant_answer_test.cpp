// What is posted to a token endpoint, and what of its answer is believed.
#include "identity/grant/answer.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/bytes.hpp"
#include "identity/grant/diagnosis.hpp"
#include "identity/grant/injection.hpp"
#include "identity/grant/request.hpp"

using namespace keyward;
using namespace keyward::identity;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

const TimePoint now{std::chrono::seconds(1'800'000'000)};

Grant client_credentials() {
  Grant grant;
  grant.token_endpoint = "https://as.example/token";
  grant.svid_audience = "https://as.example";
  return grant;
}
Grant exchange() {
  Grant grant = client_credentials();
  grant.kind = GrantKind::token_exchange;
  return grant;
}

std::string form_of(const Grant& grant, const Secret* subject = nullptr) {
  const Secret svid("a.b-_.c");
  const auto form = grant_form(grant, {svid, subject});
  return form ? std::string(form->reveal()) : form.error().what;
}

const json good = {
    {"access_token", "abc.DEF-_~+/=="}, {"token_type", "Bearer"}, {"expires_in", 600}};

auto read(const std::string& body, const Grant& grant = client_credentials(),
          const std::string& type = "application/json; charset=UTF-8") {
  return read_grant_answer(grant, {200, type, "", body}, now);
}
json with(json object, const char* name, json value) {
  object[name] = std::move(value);
  return object;
}
json without(json object, const char* name) {
  object.erase(name);
  return object;
}

GrantFailure refusal(int status, const json& body, const std::string& retry_after = "") {
  return read_grant_answer(client_credentials(),
                           {status, "application/json", retry_after, body.dump()}, now)
      .error();
}

}  // namespace

TEST_CASE("grant form: each kind in the words of its RFC") {
  Grant grant = client_credentials();
  CHECK(form_of(grant) ==
        "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-"
        "assertion-type%3Ajwt-bearer&client_assertion=a.b-_.c");
  grant.assertion_type = AssertionType::jwt_spiffe;
  grant.client_id = "spiffe://x/y";
  grant.audience = {"alpha", "beta&x=1"};
  grant.resource = {"https://api.example/a b"};
  grant.scopes = {"read", "write+all"};
  CHECK(form_of(grant) ==
        "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-"
        "assertion-type%3Ajwt-spiffe&client_assertion=a.b-_.c&client_id=spiffe%3A%2F%2Fx%2Fy&"
        "audience=alpha&audience=beta%26x%3D1&resource=https%3A%2F%2Fapi.example%2Fa%20b&"
        "scope=read%20write%2Ball");

  grant = client_credentials();
  grant.kind = GrantKind::jwt_bearer;
  CHECK(form_of(grant) ==
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b-_.c");

  const std::string begin = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&";
  const std::string type = "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3A";
  CHECK(form_of(exchange()) == begin + "subject_token=a.b-_.c&subject_token_type=" + type + "jwt");
  const Secret user("user-token");
  grant = exchange();
  grant.svid_role = SvidRole::actor;
  grant.requested_token_type = "urn:ietf:params:oauth:token-type:access_token";
  CHECK(form_of(grant, &user) == begin + "subject_token=user-token&subject_token_type=" + type +
                                     "access_token&actor_token=a.b-_.c&actor_token_type=" + type +
                                     "jwt&requested_token_type=" + type + "access_token");
  grant.svid_role = SvidRole::client;
  CHECK(form_of(grant, &user).find("&client_assertion=a.b-_.c") != std::string::npos);
  CHECK(form_of(grant, &user).find("actor_token") == std::string::npos);

  CHECK(form_of(grant).find("needs a token of the user's") != std::string::npos);
  CHECK(form_of(client_credentials(), &user).find("not sent") != std::string::npos);
  grant.kind = GrantKind::raw_svid;
  CHECK(form_of(grant).find("nowhere") != std::string::npos);
}

TEST_CASE("grant: what is refused before anything is asked") {
  CHECK(check_grant(client_credentials()).has_value());
  struct Row {
    const char* field;
    std::function<void(Grant&)> change;
  };
  for (const Row& row : std::vector<Row>{
           {"jwt_svid_audience", [](Grant& g) { g.svid_audience.clear(); }},
           {"jwt_svid_audience", [](Grant& g) { g.svid_audience = "a\r\nb"; }},
           {"token_endpoint", [](Grant& g) { g.token_endpoint = "ftp://as.example"; }},
           {"token_endpoint", [](Grant& g) { g.token_endpoint = "https://u:p@as.example/"; }},
           {"token_endpoint", [](Grant& g) { g.token_endpoint = "https://as.example/#f"; }},
           {"audience", [](Grant& g) { g.audience = {"a b"}; }},
           {"audience", [](Grant& g) { g.audience.assign(33, "a"); }},
           {"audience", [](Grant& g) { g.audience = {std::string(1025, 'a')}; }},
           {"resource", [](Grant& g) { g.resource = {"https://a#f"}; }},
           {"resource", [](Grant& g) { g.resource = {"relative"}; }},
           {"scopes", [](Grant& g) { g.scopes = {"a\"b"}; }},
           {"scopes", [](Grant& g) { g.scopes = {""}; }},
           {"client_id", [](Grant& g) { g.client_id = "a\nb"; }},
           {"cache_ttl_seconds", [](Grant& g) { g.lifetime = -1s; }},
           {"cache_ttl_seconds", [](Grant& g) { g.lifetime = 86'401s; }},
           {"requested_token_type", [](Grant& g) { g.requested_token_type = "x"; }},
           {"svid_role", [](Grant& g) { g.svid_role = SvidRole::actor; }},
           {"token_endpoint", [](Grant& g) { g.kind = GrantKind::raw_svid; }}}) {
    CAPTURE(row.field);
    Grant grant = client_credentials();
    row.change(grant);
    const auto checked = check_grant(grant);
    REQUIRE_FALSE(checked.has_value());
    CHECK(checked.error().what.find(row.field) != std::string::npos);
  }
  CHECK(derive_svid_audience("https://kc/realms/a/protocol/openid-connect/token").value() ==
        "https://kc/realms/a");
  CHECK(derive_svid_audience("https://as.example/token?x=/realms/b").value() ==
        "https://as.example/token?x=/realms/b");
  CHECK(derive_svid_audience("https://KC:8443/auth/realms/a").value() ==
        "https://KC:8443/auth/realms/a");
  CHECK(derive_svid_audience("https://as.example/realms//token").value() ==
        "https://as.example/realms//token");
  Grant one = client_credentials(), other = one;
  one.audience = {"ab", "c"};
  other.audience = {"a", "bc"};
  CHECK(cache_key(one) != cache_key(other));
}

TEST_CASE("grant answer: what an authorization server sends is taken") {
  const auto granted = read(with(good, "scope", "read").dump());
  REQUIRE(granted.has_value());
  CHECK(granted->token.reveal() == "abc.DEF-_~+/==");
  CHECK(granted->lifetime == 600s);
  CHECK(granted->scope == "read");
  CHECK(read(with(good, "expires_in", "3599").dump())->lifetime == 3599s);
  CHECK(read(without(good, "expires_in").dump())->lifetime == unstated_lifetime);
  CHECK(read(with(good, "token_type", "bEARER").dump()).has_value());
  CHECK(read(with(good, "extra", json::object({{"a", json::array({1})}})).dump()).has_value());
  CHECK(read(good.dump(), client_credentials(), "APPLICATION/JSON").has_value());

  const std::string jwt =
      base64url(R"({"alg":"none"})") + "." + base64url(R"({"exp":1800000100})") + ".c2ln";
  CHECK(read(with(good, "access_token", jwt).dump())->lifetime == 100s);
  CHECK(read(with(with(good, "access_token", jwt), "expires_in", 50).dump())->lifetime == 50s);

  const std::string type = "urn:ietf:params:oauth:token-type:";
  CHECK(
      read(with(good, "issued_token_type", type + "access_token").dump(), exchange()).has_value());
  CHECK(read(with(with(good, "issued_token_type", type + "jwt"), "token_type", "N_A").dump(),
             exchange())
            .has_value());
}

TEST_CASE("grant answer: everything else is refused, and nothing of it is repeated") {
  struct Row {
    const char* name;
    std::string body;
    const char* said;
  };
  const std::string type = "urn:ietf:params:oauth:token-type:";
  std::string nul = good.dump();
  nul.replace(nul.find("abc"), 3, std::string("a\0c", 3));
  for (const Row& row : std::vector<Row>{
           {"empty", "", "json"},
           {"no JSON", "<html>evil", "json"},
           {"array", "[]", "json"},
           {"after the object", good.dump() + "{}", "json"},
           {"doubled", R"({"access_token":"a","access_token":"evil","token_type":"Bearer"})",
            "duplicate"},
           {"deep",
            R"({"access_token":"evil","token_type":"Bearer","x":)" + std::string(50, '[') +
                std::string(50, ']') + "}",
            "deep"},
           {"members",
            [] {
              json many = good;
              for (int i = 0; i < 100; ++i) many["m" + std::to_string(i)] = 1;
              return many.dump();
            }(),
            "too many"},
           {"huge", R"({"access_token":"evil","x":")" + std::string(70'000, 'a') + "\"}", "64 KiB"},
           {"NUL", nul, "json"},
           {"no token", without(good, "access_token").dump(), "access_token"},
           {"empty token", with(good, "access_token", "").dump(), "access_token"},
           {"token a number", with(good, "access_token", 1).dump(), "access_token"},
           {"CRLF", with(good, "access_token", "evil\r\nx-admin: 1").dump(), "access_token"},
           {"LF", with(good, "access_token", "evil\n").dump(), "access_token"},
           {"tab", with(good, "access_token", "ev\til").dump(), "access_token"},
           {"DEL", with(good, "access_token", "evil\x7f").dump(), "access_token"},
           {"blank", with(good, "access_token", "evil one").dump(), "access_token"},
           {"UTF-8", with(good, "access_token", "evilé").dump(), "access_token"},
           {"= within", with(good, "access_token", "ev=il").dump(), "access_token"},
           {"long token", with(good, "access_token", std::string(8193, 'a')).dump(),
            "access_token"},
           {"no type", without(good, "token_type").dump(), "token_type"},
           {"DPoP", with(good, "token_type", "DPoP").dump(), "token_type"},
           {"mac", with(good, "token_type", "mac").dump(), "token_type"},
           {"N_A", with(good, "token_type", "N_A").dump(), "token_type"},
           {"type a number", with(good, "token_type", 1).dump(), "token_type"},
           {"zero", with(good, "expires_in", 0).dump(), "expires_in"},
           {"negative", with(good, "expires_in", -1).dump(), "expires_in"},
           {"absurd", with(good, "expires_in", 9'000'000'000'000LL).dump(), "expires_in"},
           {"beyond 64 bits",
            R"({"access_token":"evil","token_type":"Bearer","expires_in":99999999999999999999})",
            "expires_in"},
           {"1e300", R"({"access_token":"evil","token_type":"Bearer","expires_in":1e300})",
            "expires_in"},
           {"fraction", with(good, "expires_in", 1.5).dump(), "expires_in"},
           {"text", with(good, "expires_in", "soon").dump(), "expires_in"},
           {"blank text", with(good, "expires_in", " 60").dump(), "expires_in"},
           {"null", with(good, "expires_in", nullptr).dump(), "expires_in"},
           {"expired JWT",
            with(
                good, "access_token",
                base64url(R"({"alg":"none"})") + "." + base64url(R"({"exp":1799999999})") + ".c2ln")
                .dump(),
            "expired"},
       }) {
    CAPTURE(row.name);
    const auto granted = read(row.body);
    REQUIRE_FALSE(granted.has_value());
    CHECK(granted.error().error.code == Code::denied);
    CHECK(granted.error().pause > 0s);
    CHECK(granted.error().error.what.find(row.said) != std::string::npos);
    CHECK(granted.error().error.what.find("evil") == std::string::npos);
  }
  for (const char* content_type :
       {"", "text/html", "text/plain", "application/jsonp", "application/json, text/html"}) {
    CAPTURE(content_type);
    CHECK_FALSE(read(good.dump(), client_credentials(), content_type).has_value());
  }
  for (const int status : {100, 201, 204, 206, 301, 302, 307, 308}) {
    CAPTURE(status);
    CHECK(refusal(status, good).error.code == Code::denied);
  }
  CHECK_FALSE(read(good.dump(), exchange()).has_value());
  CHECK_FALSE(
      read(with(good, "issued_token_type", type + "refresh_token").dump(), exchange()).has_value());
  Grant asked = exchange();
  asked.requested_token_type = type + "id_token";
  CHECK_FALSE(
      read(with(good, "issued_token_type", type + "access_token").dump(), asked).has_value());
}

TEST_CASE("grant answer: refusals say what they are, and no more") {
  const auto client =
      refusal(401, {{"error", "invalid_client"}, {"error_description", "who\r\nare \x1b[31myou"}});
  CHECK(client.error.code == Code::unauthenticated);
  CHECK(client.oauth_error == "invalid_client");
  CHECK(client.pause == 30s);
  CHECK(client.error.what.ends_with("invalid_client (who are ?[31myou)"));
  CHECK(refusal(400, {{"error", "invalid_grant"}}).error.code == Code::unauthenticated);
  for (const char* error : {"invalid_request", "unauthorized_client", "unsupported_grant_type",
                            "invalid_scope", "invalid_target"}) {
    CAPTURE(error);
    CHECK(refusal(400, {{"error", error}}).error.code == Code::precondition);
    CHECK(refusal(400, {{"error", error}}).pause == 60s);
  }
  CHECK(refusal(400, {{"error", "temporarily_unavailable"}}).error.code == Code::unavailable);
  CHECK(refusal(404, "<html>").error.what.find("html") == std::string::npos);
  CHECK(refusal(503, "x", "7").pause == 7s);
  CHECK(refusal(429, "x", "99999").pause == 60s);
  CHECK(refusal(429, "x", "-5").pause == 0s);
  CHECK(refusal(503, "x", "Wed, 21 Oct 2026 07:28:00 GMT").pause == 60s);
  CHECK(refusal(500, "x").pause == 0s);
  // An assertion that comes back in an error is not passed on.
  const std::string assertion(200, 'e');
  const auto echo =
      refusal(400, {{"error", assertion}, {"error_description", "got " + assertion + " bad"}});
  CHECK(echo.error.what.find("eeee") == std::string::npos);
  CHECK(echo.error.what.find("got [left out] bad") != std::string::npos);
  std::string words;
  for (int i = 0; i < 100; ++i) words += "word ";
  CHECK(refusal(400, {{"error", "invalid_scope"}, {"error_description", words}}).error.what.size() <
        400);
}

TEST_CASE("grant diagnosis: the cause that fits the claims") {
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  Grant grant = client_credentials();
  JwtSvidClaims svid{"spiffe://x/y", grant.svid_audience, "ES256", now + 300s, now, false, false};
  CHECK(has(diagnose_refusal(grant, svid, "invalid_client", now), "neither iss nor jti"));
  CHECK(has(diagnose_refusal(grant, svid, "invalid_client", now), "jwt-spiffe"));
  svid.has_jwt_id = true;
  CHECK(has(diagnose_refusal(grant, svid, "invalid_client", now), "no iss"));
  svid.has_issuer = true;
  CHECK(has(diagnose_refusal(grant, svid, "invalid_client", now), "each jti once"));
  svid.issued = now - 301s;
  CHECK(has(diagnose_refusal(grant, svid, "invalid_client", now), "300 s"));
  svid.issued = now;
  grant.assertion_type = AssertionType::jwt_spiffe;
  CHECK(has(diagnose_refusal(grant, svid, "invalid_client", now), "https://as.example"));
  CHECK(has(diagnose_refusal(grant, svid, "invalid_request", now), "jwt-spiffe"));
  CHECK(has(diagnose_refusal(grant, svid, "invalid_target", now), "audience"));
  CHECK(has(diagnose_refusal(grant, svid, "unsupported_grant_type", now), "client_credentials"));
  grant.kind = GrantKind::jwt_bearer;
  svid.has_issuer = false;
  CHECK(has(diagnose_refusal(grant, svid, "invalid_grant", now), "no iss"));
  CHECK(has(diagnose_refusal(grant, svid, "invalid_client", now), "no client authentication"));
  CHECK(diagnose_refusal(grant, svid, "something_else", now).empty());
}

TEST_CASE("grant injection: the header that carries a token") {
  CHECK(read_injection("", "").value() == Injection{});
  CHECK(read_injection("bearer", "Authorization").value() == Injection{});
  CHECK(read_injection("header", "X-Api-Key").value() == Injection{"x-api-key", false});
  CHECK(read_injection("header", "authorization").value() == Injection{"authorization", false});
  CHECK_FALSE(read_injection("bearer", "x-other").has_value());
  CHECK_FALSE(read_injection("query", "").has_value());
  for (const char* name : {"",
                           "host",
                           "Host",
                           "content-length",
                           "transfer-encoding",
                           "connection",
                           "te",
                           "trailer",
                           "upgrade",
                           "keep-alive",
                           "proxy-authorization",
                           "proxy-connection",
                           "expect",
                           "content-type",
                           "content-encoding",
                           "cookie",
                           "set-cookie",
                           "x-forwarded-for",
                           "forwarded",
                           ":path",
                           "http2-settings",
                           "x-amz-date",
                           "x-keyward-x",
                           "content_length",
                           "Transfer_Encoding",
                           "x_amz_date",
                           "x_api_key",
                           "_",
                           "a b",
                           "a:b",
                           "a\r\nb",
                           "é",
                           "authorization "}) {
    CAPTURE(name);
    CHECK_FALSE(read_injection("header", name).has_value());
  }
  CHECK_FALSE(read_injection("header", std::string(65, 'a')).has_value());
  const auto header = write_header(Injection{}, Secret("abc=="));
  REQUIRE(header.has_value());
  CHECK(header->name == "authorization");
  CHECK(header->value.reveal() == "Bearer abc==");
  CHECK(write_header({"x-api-key", false}, Secret("abc"))->value.reveal() == "abc");
  for (const char* bad : {"", "=", "a\r\nx: y", "a b", "a,b", "a\"", "a=b"}) {
    CAPTURE(bad);
    CHECK_FALSE(write_header(Injection{}, Secret(bad)).has_value());
  }
}
