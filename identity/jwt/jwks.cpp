#include "identity/jwt/jwks.hpp"

#include <nlohmann/json.hpp>

#include "base/bytes.hpp"

namespace keyward::identity {

std::string jwks_json(const KeySet& keys) {
  auto list = nlohmann::json::array();
  for (const VerifyingKey& key : keys)
    list.push_back({{"kty", "OKP"},
                    {"crv", "Ed25519"},
                    {"x", base64url(key.public_key)},
                    {"kid", key.kid},
                    {"alg", "EdDSA"},
                    {"use", "sig"}});
  return nlohmann::json{{"keys", std::move(list)}}.dump();
}

}  // namespace keyward::identity
