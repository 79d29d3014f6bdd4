#include "base/public_key.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <string>

#include "base/p256.hpp"

namespace keyward {
namespace {

struct FreeNumber {
  void operator()(BIGNUM* number) const noexcept { BN_free(number); }
};
struct FreeBuilder {
  void operator()(OSSL_PARAM_BLD* builder) const noexcept { OSSL_PARAM_BLD_free(builder); }
};
struct FreeParameters {
  void operator()(OSSL_PARAM* parameters) const noexcept { OSSL_PARAM_free(parameters); }
};
struct FreeContext {
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
struct FreeSignature {
  void operator()(ECDSA_SIG* signature) const noexcept { ECDSA_SIG_free(signature); }
};
using Number = std::unique_ptr<BIGNUM, FreeNumber>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, FreeBuilder>;

constexpr int shortest_modulus = 2048, longest_modulus = 8192;  // bits
constexpr std::size_t coordinate_size = 32;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number number_of(std::string_view bytes) {
  return Number(BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

// Null where the library refuses the key.
std::shared_ptr<EVP_PKEY> make_rsa_key(const Builder& builder) {
  const std::unique_ptr<OSSL_PARAM, FreeParameters> parameters(
      OSSL_PARAM_BLD_to_param(builder.get()));
  const std::unique_ptr<EVP_PKEY_CTX, FreeContext> context(
      EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
    return nullptr;
  std::shared_ptr<EVP_PKEY> made(key, EVP_PKEY_free);
  const std::unique_ptr<EVP_PKEY_CTX, FreeContext> check(
      EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (!check || EVP_PKEY_public_check(check.get()) != 1) return nullptr;
  return made;
}

// r ‖ s → DER (RFC 7518 section 3.4).  Empty for another size.
std::string der_of(std::string_view signature) {
  if (signature.size() != 2 * coordinate_size) return {};
  const std::unique_ptr<ECDSA_SIG, FreeSignature> pair(ECDSA_SIG_new());
  Number r = number_of(signature.substr(0, coordinate_size));
  Number s = number_of(signature.substr(coordinate_size));
  if (!pair || !r || !s) return {};
  ECDSA_SIG_set0(pair.get(), r.release(), s.release());  // cannot fail: both are there
  const int size = i2d_ECDSA_SIG(pair.get(), nullptr);
  if (size <= 0) return {};
  std::string der(static_cast<std::size_t>(size), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_ECDSA_SIG(pair.get(), &out);
  return der;
}

}  // namespace

Result<PublicKey> PublicKey::rsa(std::string_view modulus, std::string_view exponent) {
  if (exponent.empty() || exponent.size() > 4 || modulus.size() > longest_modulus / 8)
    return fail(Code::invalid, "RSA key: exponent or modulus out of range");
  const Number n = number_of(modulus), e = number_of(exponent);
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder) return fail(Code::internal, "RSA key: no memory");
  if (BN_num_bits(n.get()) < shortest_modulus || !BN_is_odd(n.get()) || !BN_is_odd(e.get()) ||
      BN_is_one(e.get()))
    return fail(Code::invalid, "RSA key: 2048 to 8192 bits, an odd exponent from 3 on");
  if (OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1)
    return fail(Code::internal, "RSA key: no memory");
  auto key = make_rsa_key(builder);
  if (!key) return fail(Code::invalid, "RSA key: not usable");
  return PublicKey(SignatureAlgorithm::rs256, std::move(key));
}

Result<PublicKey> PublicKey::p256(std::string_view x, std::string_view y) {
  TRY_ASSIGN(const P256PublicKey key, P256PublicKey::from_point(x, y));
  return PublicKey(SignatureAlgorithm::es256, key.handle());
}

Result<PublicKey> PublicKey::ed25519(std::string_view bytes) {
  std::shared_ptr<EVP_PKEY> key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(bytes), bytes.size()),
      EVP_PKEY_free);
  if (!key) return fail(Code::invalid, "Ed25519 key: has 32 bytes");
  return PublicKey(SignatureAlgorithm::eddsa, std::move(key));
}

std::string PublicKey::ed25519_bytes() const {
  std::string bytes(32, '\0');
  std::size_t size = bytes.size();
  if (algorithm_ != SignatureAlgorithm::eddsa ||
      EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(bytes.data()),
                                  &size) != 1)
    return {};
  return bytes;
}

bool PublicKey::verifies(std::string_view message, std::string_view signature) const {
  std::string der;
  if (algorithm_ == SignatureAlgorithm::es256) {
    der = der_of(signature);
    if (der.empty()) return false;
    signature = der;
  }
  const EVP_MD* hash = algorithm_ == SignatureAlgorithm::eddsa ? nullptr : EVP_sha256();
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  return context && EVP_DigestVerifyInit(context.get(), nullptr, hash, nullptr, key_.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message),
                          message.size()) == 1;
}

}  // namespace keyward
