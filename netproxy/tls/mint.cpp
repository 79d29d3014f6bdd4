#include "netproxy/tls/mint.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/bytes.hpp"
#include "netproxy/guard/address.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::chrono::minutes clock_skew{5};
constexpr std::chrono::hours issuer_life{365 * 24};

tl::unexpected<Error> fail_openssl(std::string_view what) {
  return fail(Code::internal, std::string(what) + ": " + take_openssl_error());
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool set_serial(X509* certificate) {
  std::string bytes = random_bytes(16);
  bytes[0] = static_cast<char>((bytes[0] & 0x3f) | 0x40);  // positive, never shorter than 126 bits
  BIGNUM* number = BN_bin2bn(as_bytes(bytes).data(), static_cast<int>(bytes.size()), nullptr);
  const bool set = BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return set;
}

bool set_validity(X509* certificate, TimePoint now, std::chrono::hours life) {
  const auto seconds = [](TimePoint time) { return std::chrono::system_clock::to_time_t(time); };
  return ASN1_TIME_set(X509_getm_notBefore(certificate), seconds(now - clock_skew)) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), seconds(now + life)) != nullptr;
}

bool set_common_name(X509* certificate, const std::string& name) {
  return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                    as_bytes(name).data(), static_cast<int>(name.size()), -1,
                                    0) == 1;
}

}  // namespace

Result<KeyPtr> make_p256_key() {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return fail_openssl("tls: P-256 key");
  return key;
}

Result<Issuer> make_issuer(TimePoint now) {
  Issuer issuer;
  TRY_ASSIGN(issuer.key, make_p256_key());
  issuer.certificate.reset(X509_new());
  X509* certificate = issuer.certificate.get();
  const std::string name = "Keyward sandbox CA " + hex(as_bytes(random_bytes(4)));
  const bool made =
      X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
      set_validity(certificate, now, issuer_life) && set_common_name(certificate, name) &&
      X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
      X509_set_pubkey(certificate, issuer.key.get()) == 1 &&
      add_extension(certificate, certificate, NID_basic_constraints,
                    "critical,CA:TRUE,pathlen:0") &&
      add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
      add_extension(certificate, certificate, NID_subject_key_identifier, "hash") &&
      X509_sign(certificate, issuer.key.get(), EVP_sha256()) != 0;
  if (!made) return fail_openssl("tls: CA certificate");
  return issuer;
}

Result<X509Ptr> mint_leaf(const Issuer& issuer, evp_pkey_st* leaf_key, const std::string& host,
                          TimePoint now) {
  X509Ptr leaf(X509_new());
  X509* certificate = leaf.get();
  const bool literal = parse_address(host).has_value();
  // SAN only; a common name is a courtesy to old tools and may not exceed 64 characters.
  const bool made =
      X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
      set_validity(certificate, now, leaf_life) &&
      (host.size() > 64 || set_common_name(certificate, host)) &&
      X509_set_issuer_name(certificate, X509_get_subject_name(issuer.certificate.get())) == 1 &&
      X509_set_pubkey(certificate, leaf_key) == 1 &&
      add_extension(certificate, issuer.certificate.get(), NID_basic_constraints,
                    "critical,CA:FALSE") &&
      add_extension(certificate, issuer.certificate.get(), NID_key_usage,
                    "critical,digitalSignature") &&
      add_extension(certificate, issuer.certificate.get(), NID_ext_key_usage, "serverAuth") &&
      add_extension(certificate, issuer.certificate.get(), NID_authority_key_identifier,
                    "keyid:always") &&
      add_extension(certificate, issuer.certificate.get(), NID_subject_alt_name,
                    (literal ? "IP:" : "DNS:") + host) &&
      X509_sign(certificate, issuer.key.get(), EVP_sha256()) != 0;
  if (!made) return fail_openssl("tls: leaf certificate");
  return leaf;
}

Result<std::string> to_pem(x509_st* certificate) {
  BIO* memory = BIO_new(BIO_s_mem());
  char* text = nullptr;
  const bool written = PEM_write_bio_X509(memory, certificate) == 1;
  const long size = BIO_get_mem_data(memory, &text);
  std::string pem(text, static_cast<std::size_t>(written ? size : 0));
  BIO_free(memory);
  if (!written) return fail_openssl("tls: PEM");
  return pem;
}

}  // namespace keyward::netproxy
