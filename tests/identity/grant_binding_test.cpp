// Which binding a request gets: specificity, overlap and refusals, against brute force.
#include "identity/grant/binding.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "identity/grant/wire_binding.hpp"
#include "identity/grant/wire_key.hpp"

using namespace keyward;
using namespace keyward::identity;

namespace {

GrantBinding binding(const std::string& identity, Selector where,
                     const std::string& header = "authorization") {
  GrantBinding result;
  result.identity = identity;
  result.where = std::move(where);
  result.inject.header = header;
  result.grant.token_endpoint = "https://as.example/token";
  result.grant.svid_audience = "https://as.example";
  result.grant.audience = {identity};
  return result;
}

std::vector<std::string> chosen(const BindingTable& table, const RequestTarget& target) {
  std::vector<std::string> names;
  const auto selected = table.select(target, true).value();
  for (const GrantBinding* each : selected) names.push_back(each->identity);
  return names;
}

// Everything over a small alphabet, for which a pattern can be tried.
const std::vector<std::string> hosts = [] {
  std::vector<std::string> all;
  const std::vector<std::string> labels = {"a", "b", "ab", "aba"};
  for (const auto& x : labels) {
    all.push_back(x + ".c.d");
    all.push_back(x + ".e.d");
    for (const auto& y : labels) all.push_back(x + "." + y + ".c.d");
  }
  all.emplace_back("c.d");
  return all;
}();
const std::vector<std::string> paths = [] {
  std::vector<std::string> all = {"/"};
  for (std::size_t begin = 0, length = 0; length < 5; ++length) {
    const std::size_t end = all.size();
    for (std::size_t i = begin; i < end; ++i)
      for (const char c : {'a', 'b', '/'}) all.push_back(all[i] + c);
    begin = end;
  }
  return all;
}();
const std::vector<std::string> host_patterns = {"a.c.d",   "ab.c.d",  "*.c.d",    "a*.c.d",
                                                "*b.c.d",  "a*a.c.d", "**.c.d",   "*.*.c.d",
                                                "*.a.c.d", "a.*.c.d", "**.a.c.d", "*.e.d"};
const std::vector<std::string> path_patterns = {
    "",    "**",   "/**",  "/a",   "/a/**", "/a*",    "/*a",     "/a/b", "/a?",
    "/?b", "/a/*", "/*/b", "/a*b", "*b",    "/ab/**", "/a/**/b", "/*/**"};

bool meet_by_force(const Selector& a, const Selector& b) {
  const bool host = std::any_of(hosts.begin(), hosts.end(), [&](const std::string& each) {
    return selects({a.host, 0, ""}, {each, 1, "/"}) && selects({b.host, 0, ""}, {each, 1, "/"});
  });
  const bool path = std::any_of(paths.begin(), paths.end(), [&](const std::string& each) {
    return selects({"x.y", 0, a.path}, {"x.y", 1, each}) &&
           selects({"x.y", 0, b.path}, {"x.y", 1, each});
  });
  return host && path && (a.port == 0 || b.port == 0 || a.port == b.port);
}

std::vector<Selector> every_selector() {
  std::vector<Selector> all;
  for (const std::string& host : host_patterns)
    for (const std::string& path : path_patterns)
      for (const std::uint16_t port : std::initializer_list<std::uint16_t>{0, 443})
        all.push_back({host, port, path});
  return all;
}

}  // namespace

TEST_CASE("grant selector: two patterns overlap where some request meets both") {
  for (const std::string& a : host_patterns) {
    for (const std::string& b : host_patterns) {
      CAPTURE(a);
      CAPTURE(b);
      CHECK(overlaps({a, 0, ""}, {b, 0, ""}) == meet_by_force({a, 0, ""}, {b, 0, ""}));
    }
  }
  for (const std::string& a : path_patterns) {
    for (const std::string& b : path_patterns) {
      CAPTURE(a);
      CAPTURE(b);
      CHECK(overlaps({"x.y", 0, a}, {"x.y", 0, b}) ==
            meet_by_force({"a.c.d", 0, a}, {"a.c.d", 0, b}));
    }
  }
  CHECK_FALSE(overlaps({"a.c.d", 1, ""}, {"a.c.d", 2, ""}));
  CHECK(overlaps({"a.c.d", 1, ""}, {"a.c.d", 0, ""}));
  CHECK(overlaps({"a.c.d", 0, "/[ab]"}, {"a.c.d", 0, "/b"}));
  CHECK(overlaps({"a.c.d", 0, "/[ab]"}, {"a.c.d", 0, "/x"}));  // a set counts as any character
}

TEST_CASE("grant selector: what lies within another meets nothing outside of it") {
  int within = 0;
  for (const std::string& a : host_patterns) {
    for (const std::string& b : host_patterns) {
      if (!is_within({a, 0, ""}, {b, 0, ""})) continue;
      ++within;
      for (const std::string& host : hosts)
        CHECK((!selects({a, 0, ""}, {host, 1, "/"}) || selects({b, 0, ""}, {host, 1, "/"})));
    }
  }
  for (const std::string& a : path_patterns) {
    for (const std::string& b : path_patterns) {
      if (!is_within({"x.y", 0, a}, {"x.y", 0, b})) continue;
      ++within;
      for (const std::string& path : paths)
        CHECK((!selects({"x.y", 0, a}, {"x.y", 1, path}) ||
               selects({"x.y", 0, b}, {"x.y", 1, path})));
    }
  }
  CHECK(within > 60);
  CHECK_FALSE(is_within({"*.x.com", 443, ""}, {"api.x.com", 443, ""}));
  CHECK(is_within({"api.x.com", 443, ""}, {"*.x.com", 443, ""}));
  CHECK_FALSE(is_within({"api.x.com", 0, ""}, {"*.x.com", 443, ""}));
}

TEST_CASE("grant binding: one is chosen, whatever the order, and it is the most specific") {
  const std::vector<Selector> all = every_selector();
  std::mt19937 random(7);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 1500; ++round) {
    std::vector<GrantBinding> bindings;
    for (int i = 0; i < 4; ++i)
      bindings.push_back(binding("p:" + std::to_string(i), all[random() % all.size()]));
    bool ambiguous = false;
    for (std::size_t i = 0; i < bindings.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        ambiguous =
            ambiguous || (specificity_of(bindings[i].where) == specificity_of(bindings[j].where) &&
                          meet_by_force(bindings[i].where, bindings[j].where));
    const auto table = BindingTable::build(bindings);
    REQUIRE(table.has_value() != ambiguous);
    ++(ambiguous ? refused : accepted);
    if (!table) continue;
    std::shuffle(bindings.begin(), bindings.end(), random);
    const auto shuffled = BindingTable::build(bindings);
    REQUIRE(shuffled.has_value());
    for (int i = 0; i < 20; ++i) {
      const RequestTarget target{hosts[random() % hosts.size()],
                                 static_cast<std::uint16_t>(random() % 2 != 0 ? 443 : 80),
                                 paths[random() % paths.size()]};
      const auto names = chosen(*table, target);
      CHECK(names == chosen(*shuffled, target));
      const GrantBinding* best = nullptr;
      for (const GrantBinding& each : bindings)
        if (selects(each.where, target) &&
            (best == nullptr || specificity_of(each.where) > specificity_of(best->where)))
          best = &each;
      CHECK(names == (best == nullptr ? std::vector<std::string>()
                                      : std::vector<std::string>{best->identity}));
    }
  }
  CHECK(accepted > 300);
  CHECK(refused > 10);
}

TEST_CASE("grant binding: host before path before port") {
  const auto table = BindingTable::build({binding("p:wide", {"**.x.com", 0, "/a/b"}),
                                          binding("p:host", {"api.x.com", 0, ""}),
                                          binding("p:path", {"api.x.com", 0, "/v1/**"}),
                                          binding("p:deep", {"api.x.com", 0, "/v1/keys/**"}),
                                          binding("p:exact", {"api.x.com", 0, "/v1/keys/me"}),
                                          binding("p:port", {"api.x.com", 8443, ""})})
                         .value();
  CHECK(chosen(table, {"api.x.com", 443, "/a/b"}) == std::vector<std::string>{"p:host"});
  CHECK(chosen(table, {"b.x.com", 443, "/a/b"}) == std::vector<std::string>{"p:wide"});
  CHECK(chosen(table, {"b.x.com", 443, "/"}).empty());
  CHECK(chosen(table, {"api.x.com", 443, "/v1"}) == std::vector<std::string>{"p:path"});
  CHECK(chosen(table, {"api.x.com", 8443, "/v1/z"}) == std::vector<std::string>{"p:path"});
  CHECK(chosen(table, {"api.x.com", 443, "/v1/keys/you"}) == std::vector<std::string>{"p:deep"});
  CHECK(chosen(table, {"api.x.com", 443, "/v1/keys/me"}) == std::vector<std::string>{"p:exact"});
  CHECK(chosen(table, {"api.x.com", 8443, "/"}) == std::vector<std::string>{"p:port"});
  CHECK(chosen(table, {"x.com", 443, "/a/b"}).empty());
}

TEST_CASE("grant binding: several on one request under different names, none in clear text") {
  const auto table = BindingTable::build({binding("p:bearer", {"api.x.com", 0, ""}),
                                          binding("p:svid", {"*.x.com", 0, ""}, "x-svid")})
                         .value();
  CHECK(chosen(table, {"api.x.com", 443, "/"}) == std::vector<std::string>{"p:bearer", "p:svid"});
  const auto clear = table.select({"api.x.com", 80, "/"}, false);
  REQUIRE_FALSE(clear.has_value());
  CHECK(clear.error().code == Code::denied);
  GrantBinding open = binding("p:a", {"api.x.com", 0, ""});
  open.cleartext = true;
  CHECK(BindingTable::build({open})->select({"api.x.com", 80, "/"}, false)->size() == 1);
}

TEST_CASE("grant binding: what is refused when the table is built") {
  const GrantBinding good = binding("p:a", {"api.x.com", 443, ""});
  CHECK(BindingTable::build({good}).has_value());
  CHECK_FALSE(BindingTable::build({good, good}).has_value());  // a duplicate
  for (const Selector& bad : std::vector<Selector>{{"", 443, ""},
                                                   {"*", 443, ""},
                                                   {"*.com", 443, ""},
                                                   {"**", 443, ""},
                                                   {"API.x.com", 443, ""},
                                                   {"api.x.com/y", 443, ""},
                                                   {"a..x.com*", 443, ""},
                                                   {"api.x.com:1", 443, ""},
                                                   {"api.x.com", 443, "v1"}}) {
    CAPTURE(bad.host);
    CHECK_FALSE(BindingTable::build({binding("p:a", bad)}).has_value());
  }
  GrantBinding stranger = binding("p:b", {"other.x.com", 443, ""});
  stranger.grant.token_endpoint = "https://evil.example/token";
  const auto shared = BindingTable::build({good, stranger});
  REQUIRE_FALSE(shared.has_value());
  CHECK(shared.error().what.find("share the JWT-SVID audience") != std::string::npos);
  stranger.grant.kind = GrantKind::raw_svid;
  stranger.grant.token_endpoint.clear();
  CHECK_FALSE(BindingTable::build({good, stranger}).has_value());
}

TEST_CASE("grant binding: each service gets raw JWT-SVIDs of its own") {
  const auto raw = [](const std::string& identity, const std::string& host,
                      const std::string& audience) {
    GrantBinding made = binding(identity, {host, 443, ""});
    made.grant.kind = GrantKind::raw_svid;
    made.grant.token_endpoint.clear();
    made.grant.audience.clear();
    made.grant.svid_audience = audience;
    return made;
  };
  const GrantBinding api = raw("p:a", "api.x.com", "x");
  const auto shared = BindingTable::build({api, raw("p:b", "api.y.com", "x")});
  REQUIRE_FALSE(shared.has_value());
  for (const char* part : {"p:a", "p:b", "api.x.com", "api.y.com", "an audience of its own"}) {
    CAPTURE(part);
    CHECK(shared.error().what.find(part) != std::string::npos);
  }
  GrantBinding port = raw("p:b", "api.x.com", "x");
  port.where.port = 8443;
  CHECK_FALSE(BindingTable::build({api, port}).has_value());
  CHECK(BindingTable::build({api, raw("p:b", "api.y.com", "y")}).has_value());
  CHECK(BindingTable::build({api, raw("p:a", "uploads.x.com", "x")}).has_value());  // one service
  GrantBinding path = raw("p:b", "api.x.com", "x");
  path.where.path = "/v1/**";
  CHECK(BindingTable::build({api, path}).has_value());
}

TEST_CASE("grant binding: overrides lie within their endpoint") {
  const GrantBinding defaults = binding("p:a", {});
  const std::vector<Selector> endpoints = {{"api.x.com", 443, ""}, {"*.y.com", 443, "/v1/**"}};
  const auto made = expand_overrides(defaults, endpoints,
                                     {{{"", 0, "/v1/admin/**"}, "admin", {"write"}},
                                      {{"one.y.com", 0, ""}, "one", {}},
                                      {{"api.x.com", 0, ""}, "whole", {}}});
  REQUIRE(made.has_value());
  std::vector<std::string> keys;
  for (const GrantBinding& each : *made)
    keys.push_back(each.where.host + " " + each.where.path + " " + each.grant.audience[0]);
  CHECK(keys == std::vector<std::string>{"api.x.com /v1/admin/** admin", "api.x.com  whole",
                                         "*.y.com /v1/admin/** admin", "one.y.com /v1/** one",
                                         "*.y.com /v1/** p:a"});
  CHECK(made->at(0).grant.scopes == std::vector<std::string>{"write"});
  CHECK(BindingTable::build(*made).has_value());
  // Wider than its endpoint, or nowhere: it would bind the credential to hosts outside.
  for (const Selector& outside : std::vector<Selector>{{"*.x.com", 0, ""},
                                                       {"evil.x.com", 0, ""},
                                                       {"api.x.com", 444, ""},
                                                       {"**.y.com", 0, "/v1/a"}}) {
    CAPTURE(outside.host);
    CHECK_FALSE(expand_overrides(defaults, endpoints, {{outside, "x", {}}}).has_value());
  }
}

TEST_CASE("wire key: four parts in one form") {
  const auto key = parse_wire_key("api.x.com\t443\t/v1/**\tprovider:cred:x");
  REQUIRE(key.has_value());
  CHECK(key->where == Selector{"api.x.com", 443, "/v1/**"});
  CHECK(key->provider == "provider");
  CHECK(key->credential == "cred:x");
  CHECK(write_wire_key(*key) == "api.x.com\t443\t/v1/**\tprovider:cred:x");
  CHECK(parse_wire_key("fd00::1\t443\t\tp:c").has_value());
  for (const char* bad : {"",
                          "api.x.com",
                          "api.x.com\t443\t\t",
                          "api.x.com\t443\tp:c",
                          "api.x.com\t443\t/a\t/b\tp:c",
                          "api.x.com\t443\t\tp:c\t",
                          "API.x.com\t443\t\tp:c",
                          "\t443\t\tp:c",
                          "*\t443\t\tp:c",
                          "*.com\t443\t\tp:c",
                          "api.x.com\t0\t\tp:c",
                          "api.x.com\t65536\t\tp:c",
                          "api.x.com\t0443\t\tp:c",
                          "api.x.com\t+443\t\tp:c",
                          "api.x.com\t443 \t\tp:c",
                          "api.x.com\t\t\tp:c",
                          "api.x.com\t443\tv1\tp:c",
                          "api.x.com\t443\t/a b\tp:c",
                          "api.x.com\t443\t\tp",
                          "api.x.com\t443\t\t:c",
                          "api.x.com\t443\t\tp:",
                          "api.x.com:443\t443\t\tp:c",
                          "api.x.com/x\t443\t\tp:c",
                          "api.x.com\t443\t\tp:c\n"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_wire_key(bad).has_value());
  }
}

TEST_CASE("wire binding: an entry of dynamic_credentials, with what the contract leaves out") {
  const std::string key = "api.x.com\t443\t/v1/**\tprovider:cred";
  WireCredential wire;
  wire.name = "cred";
  wire.token_endpoint = "https://kc.example/realms/a/protocol/openid-connect/token";
  wire.audience = "alpha";
  wire.scopes = {"read"};
  wire.cache_ttl_seconds = 60;
  const auto read = read_wire_binding(key, wire);
  REQUIRE(read.has_value());
  CHECK(read->identity == "provider:cred");
  CHECK(read->where == Selector{"api.x.com", 443, "/v1/**"});
  CHECK(read->inject == Injection{});
  CHECK(read->grant.kind == GrantKind::client_credentials);
  CHECK(read->grant.assertion_type == AssertionType::jwt_bearer);
  CHECK(read->grant.svid_audience == "https://kc.example/realms/a");
  CHECK(read->grant.audience == std::vector<std::string>{"alpha"});
  CHECK(read->grant.lifetime == std::chrono::seconds(60));
  CHECK_FALSE(read->cleartext);
  CHECK(BindingTable::build({*read}).has_value());

  const auto refused = [&](auto change) {
    WireCredential other = wire;
    change(other);
    return !read_wire_binding(key, other).has_value();
  };
  CHECK_FALSE(read_wire_binding("api.x.com\t443\tprovider:cred", wire).has_value());
  CHECK(refused([](WireCredential& w) { w.name = "another"; }));
  CHECK(refused([](WireCredential& w) { w.has_overrides = true; }));
  CHECK(refused([](WireCredential& w) { w.auth_style = "query"; }));
  CHECK(refused([](WireCredential& w) { w.header_name = "host"; }));
  CHECK(refused([](WireCredential& w) { w.token_endpoint = "kc.example"; }));
  CHECK(refused([](WireCredential& w) { w.cache_ttl_seconds = -1; }));
  CHECK(refused([](WireCredential& w) { w.client_assertion_type = "urn:x"; }));
}
