#include "gateway/x509.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/bytes.hpp"
#include "netproxy/guard/address.hpp"

namespace keyward::gateway {
namespace {

struct Free {
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
  void operator()(BIGNUM* number) const noexcept { BN_free(number); }
  void operator()(X509_EXTENSION* extension) const noexcept { X509_EXTENSION_free(extension); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

tl::unexpected<Error> fail_openssl(const char* what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  return fail(Code::internal, std::string("certgen: ") + what + ": " +
                                  (reason == nullptr ? "no reason given" : reason));
}

Owned<BIO> reader(std::string_view text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

template <class Write>
Result<std::string> written(Write write) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  char* text = nullptr;
  if (!bio || write(bio.get()) != 1) return fail_openssl("write");
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

bool add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool add_name(X509* certificate, const char* field, const std::string& value) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
  return value.empty() ||
         X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), field, MBSTRING_UTF8, bytes,
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

bool fill_basics(X509* certificate, const CertificateSpec& spec) {
  std::string serial = random_bytes(16);
  serial[0] = static_cast<char>((serial[0] & 0x7f) | 0x40);
  const Owned<BIGNUM> number(BN_bin2bn(reinterpret_cast<const unsigned char*>(serial.data()),
                                       static_cast<int>(serial.size()), nullptr));
  const auto seconds = [](TimePoint time) {
    return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  };
  return X509_set_version(certificate, 2) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr &&
         ASN1_TIME_set(X509_getm_notBefore(certificate), seconds(spec.from)) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), seconds(spec.until)) != nullptr &&
         add_name(certificate, "OU", spec.organizational_unit) &&
         add_name(certificate, "CN", spec.common_name);
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += (text.empty() ? "" : ",") +
            std::string(netproxy::parse_address(name) ? "IP:" : "DNS:") + name;
  return text;
}

bool fill_extensions(X509* certificate, X509* issuer, const CertificateSpec& spec) {
  const bool authority = spec.kind == CertificateSpec::Kind::authority;
  const bool common =
      add_extension(certificate, issuer, NID_basic_constraints,
                    authority ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
      add_extension(certificate, issuer, NID_key_usage,
                    authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
      add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
  if (!common || authority) return common;
  const char* usage = spec.kind == CertificateSpec::Kind::server ? "serverAuth" : "clientAuth";
  return add_extension(certificate, issuer, NID_ext_key_usage, usage) &&
         add_extension(certificate, issuer, NID_authority_key_identifier, "keyid") &&
         (spec.names.empty() ||
          add_extension(certificate, issuer, NID_subject_alt_name, alternative_names(spec.names)));
}

Result<Owned<X509>> read_certificate(const std::string& pem) {
  Owned<X509> certificate(PEM_read_bio_X509(reader(pem).get(), nullptr, nullptr, nullptr));
  if (!certificate) return fail_openssl("unreadable certificate");
  return certificate;
}

}  // namespace

Result<Certified> certify(const CertificateSpec& spec, const Certified* issuer) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const Owned<X509> certificate(X509_new());
  if (!key || !certificate || !fill_basics(certificate.get(), spec) ||
      X509_set_pubkey(certificate.get(), key.get()) != 1)
    return fail_openssl("make a certificate");
  Owned<X509> issuer_certificate;
  KeyPtr issuer_key;
  if (issuer != nullptr) {
    TRY_ASSIGN(issuer_certificate, read_certificate(issuer->certificate_pem));
    issuer_key.reset(
        PEM_read_bio_PrivateKey(reader(issuer->key_pem.reveal()).get(), nullptr, nullptr, nullptr));
    if (!issuer_key) return fail_openssl("unreadable CA key");
  }
  X509* by = issuer_certificate ? issuer_certificate.get() : certificate.get();
  if (X509_set_issuer_name(certificate.get(), X509_get_subject_name(by)) != 1 ||
      !fill_extensions(certificate.get(), by, spec) ||
      X509_sign(certificate.get(), issuer_key ? issuer_key.get() : key.get(), EVP_sha256()) <= 0)
    return fail_openssl("sign a certificate");
  Certified certified;
  TRY_ASSIGN(certified.certificate_pem,
             written([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); }));
  TRY_ASSIGN(std::string pem, written([&](BIO* bio) {
               return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr,
                                               nullptr);
             }));
  certified.key_pem = Secret::take(pem);
  return certified;
}

Result<std::vector<std::string>> missing_names(const std::string& certificate_pem,
                                               const std::vector<std::string>& names) {
  TRY_ASSIGN(const Owned<X509> certificate, read_certificate(certificate_pem));
  std::vector<std::string> missing;
  for (const std::string& name : names) {
    const bool covered =
        netproxy::parse_address(name)
            ? X509_check_ip_asc(certificate.get(), name.c_str(), 0) == 1
            : X509_check_host(certificate.get(), name.c_str(), name.size(), 0, nullptr) == 1;
    if (!covered) missing.push_back(name);
  }
  return missing;
}

}  // namespace keyward::gateway
