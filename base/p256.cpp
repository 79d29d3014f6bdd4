#include "base/p256.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>

#include "base/bytes.hpp"

namespace keyward {
namespace {

constexpr std::size_t number_size = 32;               // a coordinate or a scalar
constexpr std::size_t point_size = 65;                // 04 ‖ X ‖ Y
constexpr std::size_t longest_signature = 72;         // DER of two 33-byte integers
constexpr std::array<unsigned char, 26> der_head = {  // up to the point (RFC 5480 section 2)
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
constexpr std::string_view pem_begin = "-----BEGIN PUBLIC KEY-----";
constexpr std::string_view pem_end = "-----END PUBLIC KEY-----";

struct Free {
  void operator()(BIGNUM* number) const noexcept { BN_clear_free(number); }
  void operator()(EC_GROUP* group) const noexcept { EC_GROUP_free(group); }
  void operator()(EC_POINT* point) const noexcept { EC_POINT_free(point); }
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;
using Point = std::array<unsigned char, point_size>;
using SharedKey = std::shared_ptr<EVP_PKEY>;

// A failed call leaves reasons in the thread's queue, which a later TLS error would report.
struct ForgetErrors {
  ForgetErrors() = default;
  ForgetErrors(const ForgetErrors&) = delete;
  ForgetErrors& operator=(const ForgetErrors&) = delete;
  ~ForgetErrors() { ERR_clear_error(); }
};

const unsigned char* uchars(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// The parameters that every key has; `more` is the private number's, or the end of the list.
SharedKey make_key(Point& point, int selection, const OSSL_PARAM& more) {
  std::array<char, 11> curve = {"prime256v1"};
  std::array<OSSL_PARAM, 4> parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()), more,
      OSSL_PARAM_construct_end()};
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, selection, parameters.data()) != 1)
    return nullptr;
  SharedKey made(key, EVP_PKEY_free);
  const Owned<EVP_PKEY_CTX> check(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  return check && EVP_PKEY_public_check(check.get()) == 1 ? made : nullptr;
}

SharedKey make_public_key(Point& point) {
  return make_key(point, EVP_PKEY_PUBLIC_KEY, OSSL_PARAM_construct_end());
}

SharedKey make_private_key(Point& point, const BIGNUM* scalar) {
  std::array<unsigned char, number_size> native{};
  SharedKey key;
  if (BN_bn2nativepad(scalar, native.data(), number_size) == number_size)
    key = make_key(point, EVP_PKEY_KEYPAIR,
                   OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native.data(), number_size));
  wipe(native.data(), native.size());
  return key;
}

// scalar · G, by the library's constant-time ladder.
bool multiply_base(const EC_GROUP* group, const BIGNUM* scalar, Point& out) {
  const Owned<EC_POINT> point(EC_POINT_new(group));
  return point && EC_POINT_mul(group, point.get(), scalar, nullptr, nullptr, nullptr) == 1 &&
         EC_POINT_point2oct(group, point.get(), POINT_CONVERSION_UNCOMPRESSED, out.data(),
                            out.size(), nullptr) == out.size();
}

std::string coordinate(EVP_PKEY* key, const char* name) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) return {};
  const Owned<BIGNUM> number(raw);
  std::string bytes(number_size, '\0');
  BN_bn2binpad(raw, reinterpret_cast<unsigned char*>(bytes.data()), number_size);
  return bytes;
}

}  // namespace

Result<P256PublicKey> P256PublicKey::from_point(std::string_view x, std::string_view y) {
  if (x.size() != number_size || y.size() != number_size)
    return fail(Code::invalid, "P-256 key: coordinates have 32 bytes");
  const ForgetErrors at_end;
  Point point{0x04};  // SEC 1 section 2.3.3, uncompressed
  std::copy(x.begin(), x.end(), point.begin() + 1);
  std::copy(y.begin(), y.end(), point.begin() + 1 + number_size);
  SharedKey key = make_public_key(point);
  if (!key) return fail(Code::invalid, "P-256 key: not a point of the curve");
  return P256PublicKey(std::move(key));
}

Result<P256PublicKey> P256PublicKey::from_der(std::string_view der) {
  const std::string_view head = as_chars(der_head);
  if (der.size() != head.size() + point_size || !der.starts_with(head) ||
      der[head.size()] != '\x04')
    return fail(Code::invalid,
                "P-256 key: not a SubjectPublicKeyInfo of prime256v1 with an uncompressed point");
  der.remove_prefix(head.size() + 1);
  return from_point(der.substr(0, number_size), der.substr(number_size));
}

Result<P256PublicKey> P256PublicKey::from_pem(std::string_view pem) {
  pem = trim(pem);
  if (pem.size() < pem_begin.size() + pem_end.size() || !pem.starts_with(pem_begin) ||
      !pem.ends_with(pem_end))
    return fail(Code::invalid, "P-256 key: not one PEM block \"PUBLIC KEY\"");
  pem = pem.substr(pem_begin.size(), pem.size() - pem_begin.size() - pem_end.size());
  std::string text(pem);
  std::erase_if(text, [](char c) { return c == '\r' || c == '\n'; });
  const auto der = unbase64(text);
  if (!der) return fail(Code::invalid, "P-256 key: the PEM block is cut or broken");
  return from_der(*der);
}

bool P256PublicKey::verifies(std::string_view message, std::string_view der_signature) const {
  const ForgetErrors at_end;
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  return context && der_signature.size() <= longest_signature &&
         EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
         EVP_DigestVerify(context.get(), uchars(der_signature), der_signature.size(),
                          uchars(message), message.size()) == 1;
}

std::string P256PublicKey::x() const { return coordinate(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X); }
std::string P256PublicKey::y() const { return coordinate(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y); }

Result<P256PrivateKey> P256PrivateKey::from_scalar(const Secret& scalar) {
  if (scalar.size() != number_size)
    return fail(Code::invalid, "P-256 key: the private number has 32 bytes");
  const ForgetErrors at_end;
  const Owned<EC_GROUP> group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  const Owned<BIGNUM> number(
      BN_bin2bn(uchars(scalar.reveal()), static_cast<int>(number_size), nullptr));
  if (!group || !number) return fail(Code::internal, "P-256 key: no memory");
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  if (BN_is_zero(number.get()) || BN_cmp(number.get(), EC_GROUP_get0_order(group.get())) >= 0)
    return fail(Code::invalid, "P-256 key: the private number is out of range");
  Point point{};
  if (!multiply_base(group.get(), number.get(), point))
    return fail(Code::internal, "P-256 key: cannot derive the public key");
  SharedKey key = make_private_key(point, number.get());
  SharedKey public_key = make_public_key(point);
  if (!key || !public_key) return fail(Code::internal, "P-256 key: not usable");
  return P256PrivateKey(std::move(key), P256PublicKey(std::move(public_key)));
}

Result<std::string> P256PrivateKey::sign(std::string_view message) const {
  const ForgetErrors at_end;
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  std::string signature(longest_signature, '\0');
  std::size_t size = signature.size();
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     uchars(message), message.size()) != 1)
    return fail(Code::internal, "P-256: signing failed");
  signature.resize(size);
  return signature;
}

}  // namespace keyward
