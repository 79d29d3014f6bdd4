#include "supervisor/local_credentials.hpp"

#include "base/file.hpp"
#include "base/toml.hpp"
#include "identity/grant/wire_binding.hpp"
#include "netproxy/endpoint_binding.hpp"

namespace keyward::supervisor {
namespace {

std::string place(const std::string& path, const toml::node& node) {
  return path + ":" + std::to_string(node.source().begin.line);
}

Result<std::string> text_of(const toml::node& node, const std::string& path, std::string_view key) {
  const auto* value = node.as_string();
  if (value == nullptr || value->get().empty())
    return fail(Code::invalid,
                place(path, node) + ": " + std::string(key) + " must be a non-empty string");
  return value->get();
}

Result<std::vector<netproxy::EndpointBinding>> bindings_of(const toml::node& node,
                                                           const std::string& path) {
  const auto* list = node.as_array();
  if (list == nullptr)
    return fail(Code::invalid, place(path, node) + ": bind must be a list of HOST[:PORT][/PATH]");
  std::vector<netproxy::EndpointBinding> bindings;
  for (const toml::node& entry : *list) {
    TRY_ASSIGN(const std::string text, text_of(entry, path, "bind"));
    auto binding = netproxy::parse_binding(text);
    if (!binding) return fail_at(place(path, entry), std::move(binding).error());
    bindings.push_back(std::move(*binding));
  }
  return bindings;
}

Result<> set_field(netproxy::BoundAwsCredentials& credentials, std::string_view key,
                   const toml::node& node, const std::string& path) {
  if (key == "bind") {
    TRY_ASSIGN(credentials.bindings, bindings_of(node, path));
    return {};
  }
  TRY_ASSIGN(std::string text, text_of(node, path, key));
  if (key == "access_key_id")
    credentials.keys.access_key_id = std::move(text);
  else if (key == "secret_access_key")
    credentials.keys.secret_access_key = Secret::take(text);
  else if (key == "session_token")
    credentials.keys.session_token = Secret::take(text);
  else
    return fail(Code::invalid,
                place(path, node) + ": unknown key " + std::string(key) +
                    "; known are access_key_id, secret_access_key, session_token, bind");
  return {};
}

// One [aws.NAME].
struct Entry {
  std::string name, at;  // `at`: FILE:LINE
  const toml::table& table;
  tl::unexpected<Error> bad(const std::string& what) const {
    return fail(Code::invalid, at + ": [aws." + name + "] " + what);
  }
  Result<> check_bound(bool bound) const {
    if (bound) return {};
    return bad("needs bind: credentials that are bound to no endpoint are usable nowhere");
  }
};

Result<netproxy::BoundAwsCredentials> keys_of(const Entry& entry, const std::string& path) {
  netproxy::BoundAwsCredentials credentials;
  credentials.provider = entry.name;
  for (const auto& [key, value] : entry.table) TRY(set_field(credentials, key.str(), value, path));
  if (credentials.keys.access_key_id.empty() || credentials.keys.secret_access_key.empty())
    return entry.bad("needs access_key_id and secret_access_key, or web_identity_role");
  TRY(entry.check_bound(!credentials.bindings.empty()));
  return credentials;
}

Result<> set_role_field(identity::AwsRole& role, std::string_view key, const toml::node& node,
                        const std::string& path) {
  if (key == "duration_seconds") {
    const auto* number = node.as_integer();
    if (number == nullptr)
      return fail(Code::invalid, place(path, node) + ": duration_seconds must be a number");
    role.duration = std::chrono::seconds(number->get());
    return {};
  }
  TRY_ASSIGN(std::string text, text_of(node, path, key));
  if (key == "role_arn")
    role.arn = std::move(text);
  else if (key == "session_name")
    role.session_name = std::move(text);
  else if (key == "external_id")
    role.external_id = std::move(text);
  else
    return fail(Code::invalid,
                place(path, node) + ": unknown key " + std::string(key) +
                    "; known are role_arn, session_name, external_id, duration_seconds");
  return {};
}

Result<> add_roles(std::vector<identity::AwsRole>& roles, const toml::node& node,
                   const std::string& path) {
  const auto* list = node.as_array();
  if (list == nullptr) return fail(Code::invalid, place(path, node) + ": assume must be a list");
  for (const toml::node& each : *list) {
    const auto* table = each.as_table();
    if (table == nullptr)
      return fail(Code::invalid, place(path, each) + ": assume must be a list of tables");
    identity::AwsRole& role = roles.emplace_back();
    for (const auto& [key, value] : *table) TRY(set_role_field(role, key.str(), value, path));
  }
  return {};
}

// What a gateway's profile would say, with the places beside it.
struct RoleGrant {
  identity::WireCredential wire;
  std::vector<netproxy::EndpointBinding> bindings;
};

Result<> set_grant_field(RoleGrant& grant, std::string_view key, const toml::node& node,
                         const std::string& path) {
  identity::AwsGrant& aws = grant.wire.aws;
  if (key == "bind") {
    TRY_ASSIGN(grant.bindings, bindings_of(node, path));
    return {};
  }
  if (key == "assume") return add_roles(aws.roles, node, path);
  if (key == "session_name" || key == "duration_seconds")
    return set_role_field(aws.roles.front(), key, node, path);
  TRY_ASSIGN(std::string text, text_of(node, path, key));
  if (key == "web_identity_role")
    aws.roles.front().arn = std::move(text);
  else if (key == "region")
    aws.region = std::move(text);
  else if (key == "sts_endpoint")
    grant.wire.token_endpoint = std::move(text);
  else if (key == "jwt_svid_audience")
    grant.wire.svid_audience = std::move(text);
  else
    return fail(Code::invalid, place(path, node) + ": unknown key " + std::string(key) +
                                   "; known beside web_identity_role are region, sts_endpoint, "
                                   "jwt_svid_audience, session_name, duration_seconds, assume, "
                                   "bind");
  return {};
}

Result<> add_grants(std::vector<identity::GrantBinding>& all, const Entry& entry,
                    const std::string& path) {
  RoleGrant grant;
  grant.wire.grant_type = to_string(identity::GrantKind::aws_web_identity);
  grant.wire.aws.roles.emplace_back();
  for (const auto& [key, value] : entry.table) TRY(set_grant_field(grant, key.str(), value, path));
  TRY(entry.check_bound(!grant.bindings.empty()));
  auto binding = identity::read_wire_grant(grant.wire);
  if (!binding) return entry.bad(binding.error().what);
  binding->identity = entry.name + ":web_identity";
  for (const netproxy::EndpointBinding& where : grant.bindings) {
    binding->where = where;
    all.push_back(*binding);
  }
  return {};
}

Result<> add_keys(netproxy::Credentials& all, const Entry& entry, const std::string& path) {
  TRY_ASSIGN(netproxy::BoundAwsCredentials keys, keys_of(entry, path));
  all.aws.push_back(std::move(keys));
  return {};
}

}  // namespace

Result<LocalCredentials> parse_local_credentials(std::string_view text, const std::string& path) {
  TRY_ASSIGN(const toml::table table, parse_toml(text, path));
  LocalCredentials credentials;
  std::vector<identity::GrantBinding> grants;
  for (const auto& [key, node] : table) {
    const auto* entries = node.as_table();
    if (key.str() != "aws" || entries == nullptr)
      return fail(Code::invalid, place(path, node) + ": unknown key " + std::string(key.str()) +
                                     "; known is [aws.NAME]");
    for (const auto& [name, one] : *entries) {
      const auto* fields = one.as_table();
      if (fields == nullptr)
        return fail(Code::invalid, place(path, one) + ": expected a table [aws.NAME]");
      const Entry entry{std::string(name.str()), place(path, one), *fields};
      TRY(fields->contains("web_identity_role") ? add_grants(grants, entry, path)
                                                : add_keys(credentials.keys, entry, path));
    }
  }
  auto built = identity::BindingTable::build(std::move(grants));
  if (!built) return fail_at(path, built.error());
  credentials.grants.table = std::move(*built);
  return credentials;
}

Result<LocalCredentials> load_local_credentials(const std::string& path) {
  TRY_ASSIGN(const Secret text, read_secret_file(path, std::size_t{64} << 10));
  return parse_local_credentials(text.reveal(), path);
}

}  // namespace keyward::supervisor
