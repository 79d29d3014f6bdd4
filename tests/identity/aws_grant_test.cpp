// Grants of AWS keys: what is read, checked, told apart and bound.
#include "identity/grant/aws_grant.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <set>

#include "identity/grant/sandbox_grants.hpp"
#include "identity/grant/wire_binding.hpp"

using namespace keyward;
using namespace keyward::identity;
using namespace std::chrono_literals;

namespace {

constexpr const char* arn = "arn:aws:iam::123456789012:role/reader";

WireCredential wire() {
  WireCredential credential;
  credential.name = "keys";
  credential.grant_type = "aws_web_identity";
  credential.aws = {"eu-central-1", {{arn, "", "", 0s}}};
  return credential;
}

Result<GrantBinding> read(const WireCredential& credential,
                          const std::string& key = "s3.x.com\t443\t\tstore:keys") {
  return read_wire_binding(key, credential);
}

std::string problem_of(const std::function<void(WireCredential&)>& change) {
  WireCredential credential = wire();
  change(credential);
  const auto binding = read(credential);
  return binding ? "" : binding.error().what;
}

std::vector<std::string> chosen(const BindingTable& table, const RequestTarget& target) {
  std::vector<std::string> names;
  const auto selected = table.select(target, true).value();
  for (const GrantBinding* each : selected) names.push_back(each->identity);
  return names;
}

}  // namespace

TEST_CASE("aws grant: Amazon's STS of the region, unless the grant names another") {
  const auto amazon = read(wire());
  REQUIRE(amazon.has_value());
  CHECK(gives_keys(amazon->grant));
  CHECK(amazon->grant.token_endpoint == "https://sts.eu-central-1.amazonaws.com");
  CHECK(amazon->grant.svid_audience == "sts.amazonaws.com");
  CHECK(amazon->inject == Injection());
  CHECK(is_extended(wire()));
  WireCredential other = wire();
  other.aws.region = "cn-north-1";
  CHECK(read(other)->grant.token_endpoint == "https://sts.cn-north-1.amazonaws.com.cn");
  other.token_endpoint = "https://sts.x.com/realms/a/sts";
  CHECK(read(other)->grant.svid_audience == "https://sts.x.com/realms/a");
  other.svid_audience = "store";
  CHECK(read(other)->grant.svid_audience == "store");
}

TEST_CASE("aws grant: what is refused") {
  using W = WireCredential;
  const struct {
    const char* word;  // in the error
    std::function<void(W&)> change;
  } cases[] = {
      {"aws.region or token_endpoint", [](W& w) { w.aws.region.clear(); }},
      {"aws.region", [](W& w) { w.aws.region = "EU/1"; }},
      {"aws.roles must be", [](W& w) { w.aws.roles.clear(); }},
      {"client_auth", [](W& w) { w.client_auth = "tls_client_auth"; }},
      {"aws.roles must be", [](W& w) { w.aws.roles.resize(5, w.aws.roles[0]); }},
      {"role_arn", [](W& w) { w.aws.roles[0].arn = "role/reader"; }},
      {"role_arn", [](W& w) { w.aws.roles[0].arn += " x"; }},
      {"role_arn", [](W& w) { w.aws.roles[0].arn += std::string(2048, 'x'); }},
      {"session_name", [](W& w) { w.aws.roles[0].session_name = "a"; }},
      {"session_name", [](W& w) { w.aws.roles[0].session_name = "a/b"; }},
      {"session_name", [](W& w) { w.aws.roles[0].session_name = std::string(65, 'a'); }},
      {"external_id", [](W& w) { w.aws.roles[0].external_id = "outside"; }},
      {"external_id", [](W& w) { w.aws.roles.push_back({arn, "", "a b", 0s}); }},
      {"duration_seconds", [](W& w) { w.aws.roles[0].duration = 899s; }},
      {"duration_seconds", [](W& w) { w.aws.roles[0].duration = 43201s; }},
      {"duration_seconds", [](W& w) { w.aws.roles[0].duration = -900s; }},
      {"900 to 3600", [](W& w) { w.aws.roles.push_back({arn, "", "", 3601s}); }},
      {"audience", [](W& w) { w.audience = "a"; }},
      {"audience", [](W& w) { w.scopes = {"a"}; }},
      {"audience", [](W& w) { w.resources = {"https://a.x"}; }},
      {"client_id", [](W& w) { w.client_id = "a"; }},
      {"issuer", [](W& w) { w.issuer = "https://a.x"; }},
      {"requested_token_type",
       [](W& w) { w.requested_token_type = "urn:ietf:params:oauth:token-type:jwt"; }},
      {"client_assertion_type",
       [](W& w) {
         w.client_assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
       }},
      {"no header of their own", [](W& w) { w.auth_style = "bearer"; }},
      {"no header of their own",
       [](W& w) {
         w.auth_style = "header";
         w.header_name = "x-keys";
       }},
      {"aws",
       [](W& w) {
         w.grant_type.clear();
         w.token_endpoint = "https://as.example/token";
       }},
  };
  for (const auto& c : cases) {
    CAPTURE(c.word);
    CHECK(problem_of(c.change).find(c.word) != std::string::npos);
  }
  CHECK(problem_of([](W& w) {
          w.aws.roles = {{arn, "a=b,c@d.e-f_g+h", "", 43200s}, {arn, "", "org:1/x", 3600s}};
        }).empty());
  GrantBinding binding = read(wire()).value();
  binding.inject = {"x-keys", false};
  CHECK_FALSE(BindingTable::build({binding}).has_value());
}

TEST_CASE("aws grant: sessions are named after the workload, no two alike") {
  CHECK(session_name_of("spiffe://example.org/ns/team/sa/agent") == "example.org=ns=team=sa=agent");
  const std::string longest = "spiffe://example.org/" + std::string(52, 'a');
  CHECK(session_name_of(longest).size() == 64);
  std::set<std::string> names;
  const std::vector<std::string> ids = {longest,
                                        longest + "a",
                                        longest + "b",
                                        "spiffe://example.org/a/b",
                                        "spiffe://a",
                                        "spiffe://b",
                                        "spiffe://example.org/a=b",
                                        "spiffe://example.org/a%62",
                                        "spiffe://x/\xc3\xa9"};
  for (const std::string& id : ids) {
    const std::string name = session_name_of(id);
    CAPTURE(name);
    names.insert(name);
    CHECK(problem_of([&](WireCredential& w) { w.aws.roles[0].session_name = name; }).empty());
  }
  CHECK(names.size() == ids.size());
}

TEST_CASE("aws grant: every part of it decides which keys are shared") {
  std::set<std::string> keys = {cache_key(read(wire())->grant)};
  const std::function<void(WireCredential&)> changes[] = {
      [](auto& w) { w.aws.region = "eu-west-1"; },
      [](auto& w) { w.aws.roles[0].arn += "2"; },
      [](auto& w) { w.aws.roles[0].session_name = "me"; },
      [](auto& w) { w.aws.roles[0].duration = 900s; },
      [](auto& w) { w.aws.roles.push_back({arn, "", "", 0s}); },
      [](auto& w) { w.aws.roles.push_back({arn, "", "outside", 0s}); },
      [](auto& w) { w.svid_audience = "other"; },
      [](auto& w) { w.cache_ttl_seconds = 60; },
  };
  for (const auto& change : changes) {
    WireCredential credential = wire();
    change(credential);
    keys.insert(cache_key(read(credential)->grant));
  }
  CHECK(keys.size() == 1 + std::size(changes));
}

TEST_CASE("aws grant: one JWT-SVID is for all of Amazon's STS, and for no other server") {
  const GrantBinding here = read(wire()).value();
  WireCredential there = wire();
  there.aws.region = "us-east-1";
  const auto table =
      BindingTable::build({here, read(there, "s3.y.com\t443\t\tother:keys").value()});
  CHECK(table.has_value());
  for (const char* endpoint :
       {"https://sts.amazonaws.com", "https://sts.us-gov-west-1.amazonaws.com",
        "https://sts-fips.us-east-1.amazonaws.com"}) {
    CAPTURE(endpoint);
    WireCredential other = wire();
    other.token_endpoint = endpoint;
    other.svid_audience = "sts.amazonaws.com";
    CHECK(BindingTable::build({here, read(other, "s3.y.com\t443\t\tother:keys").value()}));
  }
  for (const char* endpoint :
       {"https://sts.x.com", "https://sts.a.s3.amazonaws.com", "https://sts.s3.amazonaws.com",
        "https://sts.execute-api.eu-central-1.amazonaws.com", "https://sts.a-b.amazonaws.com",
        "https://sts.eu-west-1.a.amazonaws.com", "https://sts.eu-west-1.s3.amazonaws.com",
        "https://sts.eu-west-12.amazonaws.com", "https://sts.bucket-1.amazonaws.com",
        "https://sts.amazonaws.com.evil.example", "https://sts.cn-north-1.amazonaws.com.cn",
        "https://sts.eu-west-1.amazonaws.com:8443", "https://sts.evil-amazonaws.com"}) {
    CAPTURE(endpoint);
    WireCredential other = wire();
    other.token_endpoint = endpoint;
    other.svid_audience = "sts.amazonaws.com";
    const auto both =
        BindingTable::build({here, read(other, "s3.y.com\t443\t\tother:keys").value()});
    REQUIRE_FALSE(both.has_value());
    CHECK(both.error().what.find("share the JWT-SVID audience") != std::string::npos);
  }
}

TEST_CASE("aws grant: bound by endpoint, and by the provider that the policy names") {
  const auto keys = [](const std::string& identity, const char* where) {
    return read(wire(), std::string(where) + "\tstore" + identity + ":keys").value();
  };
  const GrantBinding wide = keys("1", "**.x.com\t443\t"),
                     narrow = keys("2", "s3.x.com\t443\t/b/**");
  GrantBinding token = narrow;
  token.identity = "idp:token";
  token.grant = Grant();
  token.grant.token_endpoint = "https://as.example/token";
  token.grant.svid_audience = "https://as.example";
  const auto table = BindingTable::build({wide, narrow}).value();
  using Names = std::vector<std::string>;
  CHECK(chosen(table, {"s3.x.com", 443, "/b/k"}) == Names{"store2:keys"});
  CHECK(chosen(table, {"s3.x.com", 443, "/c"}) == Names{"store1:keys"});
  CHECK(chosen(table, {"s3.x.com", 443, "/b/k", "store1"}) == Names{"store1:keys"});
  CHECK(chosen(table, {"s3.x.com", 443, "/b/k", "store3"}).empty());
  CHECK(gives_keys(SandboxGrants{table, {}}));
  // A token and a signature stand in the same header.
  CHECK_FALSE(BindingTable::build({narrow, token}).has_value());
  token.inject = {"x-token", false};
  const auto both = BindingTable::build({narrow, token});
  REQUIRE(both.has_value());
  CHECK(chosen(*both, {"s3.x.com", 443, "/b/k"}).size() == 2);
  CHECK(chosen(*both, {"s3.x.com", 443, "/b/k", "other"}) == Names{"idp:token"});
  CHECK_FALSE(gives_keys(SandboxGrants{BindingTable::build({token}).value(), {}}));
}
