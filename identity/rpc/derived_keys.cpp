#include "identity/rpc/derived_keys.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "identity/rpc/static_binding.hpp"
#include "netproxy/sigv4/derived_keys.hpp"

namespace keyward::identity {
namespace {

namespace v1 = openshell::v1;

constexpr std::size_t keys_limit = 512;  // of one provider
constexpr std::size_t key_id_limit = 128;

TimePoint time_of(std::int64_t millis) { return TimePoint(std::chrono::milliseconds(millis)); }

// AWS's own are upper-case letters and digits; other servers take more, but nothing that could end
// the field in the Authorization header.
bool is_key_id(std::string_view id) {
  return !id.empty() && id.size() <= key_id_limit && std::all_of(id.begin(), id.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '/' && c != ',' && c != '=' && c != '"';
  });
}

Result<netproxy::DerivedKey> take_key(v1::DerivedKey& wire) {
  if (wire.key().size() != netproxy::derived_key_size)
    return fail(Code::invalid, "a key of " + std::to_string(wire.key().size()) + " bytes");
  if (!netproxy::is_scope_name(wire.region()) || !netproxy::is_scope_name(wire.service()))
    return fail(Code::invalid, "a key's region or service is malformed");
  TRY_ASSIGN(const netproxy::KeyValidity whole, netproxy::validity_of_date(wire.date()));
  const netproxy::KeyValidity validity{time_of(wire.not_before_ms()), time_of(wire.not_after_ms())};
  if (validity.not_before < whole.not_before || validity.not_after > whole.not_after ||
      validity.not_before >= validity.not_after)
    return fail(Code::invalid, "a key's validity is not that of its date " + wire.date());
  return netproxy::DerivedKey{
      {wire.date(), wire.region(), wire.service()}, Secret::take(*wire.mutable_key()), validity};
}

Result<std::vector<netproxy::DerivedKey>> take_keys(v1::DerivedKeyCredentials& wire) {
  if (wire.keys().empty()) return fail(Code::invalid, "no key");
  if (static_cast<std::size_t>(wire.keys_size()) > keys_limit)
    return fail(Code::invalid, "more than 512 keys");
  std::vector<netproxy::DerivedKey> keys;
  for (v1::DerivedKey& one : *wire.mutable_keys()) {
    TRY_ASSIGN(netproxy::DerivedKey key, take_key(one));
    if (netproxy::find_key(keys, key.scope) != nullptr)
      return fail(Code::invalid, "two keys for " + key.scope.text());
    keys.push_back(std::move(key));
  }
  return keys;
}

Result<netproxy::BoundAwsCredentials> take_all(v1::DerivedKeyCredentials& wire) {
  netproxy::BoundAwsCredentials bound;
  TRY_ASSIGN(bound.bindings, endpoints_of("its binding", wire.binding()));
  bound.provider = provider_of(wire.binding());
  if (!is_key_id(wire.access_key_id())) return fail(Code::invalid, "the key id is malformed");
  bound.keys.access_key_id = wire.access_key_id();
  const std::string& token = wire.session_token();
  if (std::any_of(token.begin(), token.end(), is_control))
    return fail(Code::invalid, "the session token has control bytes");
  bound.keys.session_token = Secret::take(*wire.mutable_session_token());
  TRY_ASSIGN(bound.keys.derived_keys, take_keys(wire));
  if (wire.expires_at_ms() < 0) return fail(Code::invalid, "the credentials' end is negative");
  if (wire.expires_at_ms() > 0) bound.expires = time_of(wire.expires_at_ms());
  return bound;
}

void wipe_secrets(v1::DerivedKeyCredentials& wire) {
  std::string& token = *wire.mutable_session_token();
  wipe(token.data(), token.size());
  for (v1::DerivedKey& one : *wire.mutable_keys())
    wipe(one.mutable_key()->data(), one.mutable_key()->size());
}

}  // namespace

Result<netproxy::BoundAwsCredentials> take_derived_keys(v1::DerivedKeyCredentials& wire) {
  Result<netproxy::BoundAwsCredentials> taken = take_all(wire);
  wipe_secrets(wire);
  if (taken) return taken;
  const std::string provider(utf8_prefix(provider_of(wire.binding()), 63));
  return fail_at("the derived keys of " + provider, std::move(taken).error());
}

}  // namespace keyward::identity
