#include "identity/jwt/jwks.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/bytes.hpp"
#include "identity/jwt/json_object.hpp"

namespace keyward::identity {
namespace {

constexpr JsonLimits limits{6, 2048};
constexpr std::size_t kid_limit = 256;  // bytes

std::string text_of(const nlohmann::json& entry, const char* name) {
  const auto found = entry.find(name);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Result<std::string> bytes_of(const nlohmann::json& entry, const char* name) {
  return unbase64url(text_of(entry, name));
}

Result<PublicKey> key_of(const nlohmann::json& entry) {
  const std::string type = text_of(entry, "kty"), curve = text_of(entry, "crv");
  if (type == "RSA") {
    TRY_ASSIGN(const std::string modulus, bytes_of(entry, "n"));
    TRY_ASSIGN(const std::string exponent, bytes_of(entry, "e"));
    return PublicKey::rsa(modulus, exponent);
  }
  if (type == "EC" && curve == "P-256") {
    TRY_ASSIGN(const std::string x, bytes_of(entry, "x"));
    TRY_ASSIGN(const std::string y, bytes_of(entry, "y"));
    return PublicKey::p256(x, y);
  }
  if (type == "OKP" && curve == "Ed25519") {
    TRY_ASSIGN(const std::string x, bytes_of(entry, "x"));
    return PublicKey::ed25519(x);
  }
  return fail(Code::unsupported, "another kind of key");
}

const char* name_of(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::rs256:
      return "RS256";
    case SignatureAlgorithm::es256:
      return "ES256";
    case SignatureAlgorithm::eddsa:
      return "EdDSA";
  }
  return "";
}

// None: not for us.
std::optional<Jwk> jwk_of(const nlohmann::json& entry, std::string_view wanted_use) {
  if (!entry.is_object()) return std::nullopt;
  const std::string kid = text_of(entry, "kid"), use = text_of(entry, "use"),
                    algorithm = text_of(entry, "alg");
  if (kid.empty() || kid.size() > kid_limit || (!use.empty() && use != wanted_use))
    return std::nullopt;
  Result<PublicKey> key = key_of(entry);
  if (!key || (!algorithm.empty() && algorithm != name_of(key->algorithm()))) return std::nullopt;
  return Jwk{kid, std::move(*key)};
}

}  // namespace

std::string jwks_json(const KeySet& keys) {
  auto list = nlohmann::json::array();
  for (const VerifyingKey& key : keys)
    list.push_back({{"kty", "OKP"},
                    {"crv", "Ed25519"},
                    {"x", base64url(key.key.ed25519_bytes())},
                    {"kid", key.kid},
                    {"alg", "EdDSA"},
                    {"use", "sig"}});
  return nlohmann::json{{"keys", std::move(list)}}.dump();
}

Result<JwkSet> parse_jwks(std::string_view text, std::string_view use) {
  if (text.size() > jwks_limit) return fail(Code::invalid, "key set: larger than 256 KiB");
  TRY(check_json_object(text, limits));
  const nlohmann::json document = nlohmann::json::parse(text, nullptr, false);
  const auto list = document.find("keys");
  if (list == document.end() || !list->is_array())
    return fail(Code::invalid, "key set: has no array \"keys\"");
  JwkSet keys;
  for (const nlohmann::json& entry : *list) {
    std::optional<Jwk> key = jwk_of(entry, use);
    if (!key) continue;
    if (std::any_of(keys.begin(), keys.end(),
                    [&](const Jwk& each) { return each.kid == key->kid; }))
      return fail(Code::invalid, "key set: two keys have the same kid");
    keys.push_back(std::move(*key));
  }
  if (keys.empty()) return fail(Code::invalid, "key set: no key for RS256, ES256 or EdDSA in it");
  return keys;
}

}  // namespace keyward::identity
