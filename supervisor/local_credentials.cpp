#include "supervisor/local_credentials.hpp"

#include "base/file.hpp"
#include "base/toml.hpp"
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

Result<netproxy::BoundAwsCredentials> parse_entry(std::string_view name, const toml::node& node,
                                                  const std::string& path) {
  const auto* table = node.as_table();
  if (table == nullptr)
    return fail(Code::invalid, place(path, node) + ": expected a table [aws.NAME]");
  netproxy::BoundAwsCredentials credentials;
  credentials.provider = name;
  for (const auto& [key, value] : *table) TRY(set_field(credentials, key.str(), value, path));
  if (credentials.keys.access_key_id.empty() || credentials.keys.secret_access_key.empty())
    return fail(Code::invalid, place(path, node) + ": [aws." + std::string(name) +
                                   "] needs access_key_id and secret_access_key");
  if (credentials.bindings.empty())
    return fail(Code::invalid,
                place(path, node) + ": [aws." + std::string(name) +
                    "] needs bind: credentials that are bound to no endpoint are usable nowhere");
  return credentials;
}

}  // namespace

Result<netproxy::Credentials> parse_local_credentials(std::string_view text,
                                                      const std::string& path) {
  TRY_ASSIGN(const toml::table table, parse_toml(text, path));
  netproxy::Credentials credentials;
  for (const auto& [key, node] : table) {
    const auto* entries = node.as_table();
    if (key.str() != "aws" || entries == nullptr)
      return fail(Code::invalid, place(path, node) + ": unknown key " + std::string(key.str()) +
                                     "; known is [aws.NAME]");
    for (const auto& [name, entry] : *entries) {
      TRY_ASSIGN(netproxy::BoundAwsCredentials one, parse_entry(name.str(), entry, path));
      credentials.aws.push_back(std::move(one));
    }
  }
  return credentials;
}

Result<netproxy::Credentials> load_local_credentials(const std::string& path) {
  TRY_ASSIGN(const Secret text, read_secret_file(path, std::size_t{64} << 10));
  return parse_local_credentials(text.reveal(), path);
}

}  // namespace keyward::supervisor
