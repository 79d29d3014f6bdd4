#pragma once
// An issuer of tokens for tests: keys of each algorithm, made by OpenSSL, and what they sign.

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace keyward::tests {

class IssuerKey {
 public:
  IssuerKey(const std::string& algorithm, std::string kid)
      : algorithm_(algorithm), kid_(std::move(kid)), key_(make(algorithm), EVP_PKEY_free) {}

  nlohmann::json jwk() const {
    nlohmann::json entry{{"kid", kid_}, {"use", "sig"}, {"alg", algorithm_}};
    if (algorithm_ == "RS256") {
      entry["kty"] = "RSA";
      entry["n"] = number(OSSL_PKEY_PARAM_RSA_N, 0);
      entry["e"] = number(OSSL_PKEY_PARAM_RSA_E, 0);
    } else if (algorithm_ == "ES256") {
      entry["kty"] = "EC";
      entry["crv"] = "P-256";
      entry["x"] = number(OSSL_PKEY_PARAM_EC_PUB_X, 32);
      entry["y"] = number(OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    } else {
      std::string raw(32, '\0');
      std::size_t size = raw.size();
      EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
      entry["kty"] = "OKP";
      entry["crv"] = "Ed25519";
      entry["x"] = base64url(raw);
    }
    return entry;
  }

  nlohmann::json header() const { return {{"alg", algorithm_}, {"kid", kid_}, {"typ", "JWT"}}; }
  std::string token(const nlohmann::json& claims) const { return token(header(), claims); }
  std::string token(const nlohmann::json& header, const nlohmann::json& claims) const {
    return token_of(base64url(header.dump()) + "." + base64url(claims.dump()));
  }
  std::string token_of(const std::string& signed_part) const {
    return signed_part + "." + base64url(sign(signed_part));
  }

 private:
  static EVP_PKEY* make(const std::string& algorithm) {
    if (algorithm == "RS256") return EVP_RSA_gen(2048);
    if (algorithm == "ES256") return EVP_EC_gen("P-256");
    return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  }

  std::string number(const char* name, int size) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::string bytes(static_cast<std::size_t>(size == 0 ? BN_num_bytes(value) : size), '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()),
                 static_cast<int>(bytes.size()));
    BN_free(value);
    return base64url(bytes);
  }

  std::string sign(const std::string& text) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          EVP_MD_CTX_free);
    const EVP_MD* hash = algorithm_ == "EdDSA" ? nullptr : EVP_sha256();
    std::string signature(1024, '\0');
    std::size_t size = signature.size();
    EVP_DigestSignInit(context.get(), nullptr, hash, nullptr, key_.get());
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    signature.resize(size);
    return algorithm_ == "ES256" ? raw_of(signature) : signature;
  }

  static std::string raw_of(const std::string& der) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &bytes, static_cast<long>(der.size()));
    std::string raw(64, '\0');
    auto* out = reinterpret_cast<unsigned char*>(raw.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + 32, 32);
    ECDSA_SIG_free(pair);
    return raw;
  }

  std::string algorithm_, kid_;
  std::shared_ptr<EVP_PKEY> key_;
};

inline std::string key_set(const std::vector<nlohmann::json>& keys) {
  return nlohmann::json{{"keys", keys}}.dump();
}

}  // namespace keyward::tests
