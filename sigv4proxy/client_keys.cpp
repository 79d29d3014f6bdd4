#include "sigv4proxy/client_keys.hpp"

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/toml.hpp"

namespace keyward::sigv4proxy {
namespace {

using netproxy::S3Code;
using netproxy::SigningAlgorithm;

tl::unexpected<Error> wrong(const std::string& path, const toml::node& node,
                            const std::string& what) {
  return fail(Code::invalid, path + ":" + std::to_string(node.source().begin.line) + ": " + what);
}

Result<std::string> text_of(const toml::node& node, const std::string& path, std::string_view key) {
  const auto* value = node.as_string();
  if (value == nullptr || value->get().empty())
    return wrong(path, node, std::string(key) + " must be a non-empty string");
  return value->get();
}

Result<DayKey> read_derived(const toml::node& node, const std::string& path) {
  const auto* table = node.as_table();
  if (table == nullptr) return wrong(path, node, "derived must be a list of tables");
  DayKey derived;
  for (const auto& [key, value] : *table) {
    TRY_ASSIGN(std::string text, text_of(value, path, key.str()));
    if (key.str() == "date") {
      derived.scope.date = std::move(text);
    } else if (key.str() == "region") {
      derived.scope.region = std::move(text);
    } else if (key.str() == "service") {
      derived.scope.service = std::move(text);
    } else if (key.str() == "key") {
      Result<std::string> bytes = unhex(text);
      derived.bytes = bytes ? Secret::take(*bytes) : Secret();
      wipe(text.data(), text.size());
    } else {
      return wrong(path, value, "unknown key; known are date, region, service, key");
    }
  }
  const bool whole = derived.scope.date.size() == 8 && !derived.scope.region.empty() &&
                     !derived.scope.service.empty() && derived.bytes.size() == 32;
  if (!whole)
    return wrong(path, node, "a derived key needs date (YYYYMMDD), region, service and key (hex)");
  return derived;
}

Result<> read_derived_list(const toml::node& node, const std::string& path, ClientKey& client) {
  const auto* list = node.as_array();
  if (list == nullptr) return wrong(path, node, "derived must be a list of tables");
  for (const toml::node& entry : *list) {
    TRY_ASSIGN(DayKey one, read_derived(entry, path));
    client.derived.push_back(std::move(one));
  }
  return {};
}

Result<> set_field(ClientKey& client, std::string_view key, const toml::node& node,
                   const std::string& path) {
  if (key == "derived") return read_derived_list(node, path, client);
  TRY_ASSIGN(std::string text, text_of(node, path, key));
  if (key == "secret_access_key") {
    client.secret_access_key = Secret::take(text);
  } else if (key == "session_token") {
    client.session_token = Secret::take(text);
  } else if (key == "public_key") {
    auto public_key = P256PublicKey::from_pem(text);
    if (!public_key) return wrong(path, node, public_key.error().what);
    client.public_key = std::move(*public_key);
  } else {
    return wrong(path, node,
                 "unknown key; known are secret_access_key, session_token, derived, public_key");
  }
  return {};
}

Result<ClientKey> read_client(const toml::node& node, const std::string& path) {
  const auto* table = node.as_table();
  if (table == nullptr) return wrong(path, node, "expected a table [clients.ACCESS-KEY-ID]");
  ClientKey client;
  for (const auto& [key, value] : *table) TRY(set_field(client, key.str(), value, path));
  if (client.secret_access_key.empty() && client.derived.empty() && !client.public_key)
    return wrong(path, node, "needs secret_access_key, derived or public_key");
  return client;
}

const DayKey* derived_for(const ClientKey& client, const netproxy::SigningScope& scope) {
  for (const DayKey& derived : client.derived)
    if (derived.scope.text() == scope.text()) return &derived;
  return nullptr;
}

}  // namespace

Result<ClientKeyTable> read_client_keys(std::string_view text, const std::string& path) {
  TRY_ASSIGN(const toml::table document, parse_toml(text, path));
  ClientKeyTable clients;
  for (const auto& [key, node] : document) {
    const auto* entries = node.as_table();
    if (key.str() != "clients" || entries == nullptr)
      return wrong(path, node, "unknown key; known is [clients.ACCESS-KEY-ID]");
    for (const auto& [id, entry] : *entries) {
      TRY_ASSIGN(ClientKey client, read_client(entry, path));
      clients.emplace(id.str(), std::move(client));
    }
  }
  if (clients.empty()) return fail(Code::invalid, path + ": holds no [clients.ACCESS-KEY-ID]");
  return clients;
}

Result<> ClientKeys::load() {
  TRY_ASSIGN(const Secret text, read_secret_file(path_));
  TRY_ASSIGN(ClientKeyTable table, read_client_keys(text.reveal(), path_));
  keys_.set(std::make_shared<const ClientKeyTable>(std::move(table)));
  return {};
}

netproxy::S3Result<netproxy::VerificationKey> ClientKeys::find(
    const netproxy::SignatureClaim& claim) {
  const auto table = keys_.get();
  if (!table) return netproxy::s3_fail(S3Code::service_unavailable);
  const auto found = table->find(claim.access_key_id);
  if (found == table->end()) return netproxy::s3_fail(S3Code::invalid_access_key_id);
  const ClientKey& client = found->second;
  if (!client.session_token.equals(claim.session_token.reveal()))
    return netproxy::s3_fail(S3Code::invalid_token);
  if (!client.secret_access_key.empty())
    return netproxy::SecretAccessKey{client.secret_access_key.clone()};
  if (claim.scope.algorithm == SigningAlgorithm::ecdsa) {
    if (!client.public_key) return netproxy::s3_fail(S3Code::invalid_access_key_id);
    return *client.public_key;
  }
  const DayKey* derived = derived_for(client, claim.scope);
  if (derived == nullptr)
    return netproxy::s3_fail(S3Code::service_unavailable,
                             "there is no derived key for this date, region and service");
  return netproxy::DerivedSigningKey{derived->bytes.clone()};
}

}  // namespace keyward::sigv4proxy
