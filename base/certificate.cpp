#include "base/certificate.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace keyward {
namespace {

struct Free {
  void operator()(BIO* memory) const noexcept { BIO_free(memory); }
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
  void operator()(PKCS8_PRIV_KEY_INFO* key) const noexcept { PKCS8_PRIV_KEY_INFO_free(key); }
  void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

// Moves `der` behind what was read.
Owned<X509> next_certificate(std::string_view& der) {
  const auto* begin = reinterpret_cast<const unsigned char*>(der.data());
  const unsigned char* at = begin;
  Owned<X509> certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (certificate) der.remove_prefix(static_cast<std::size_t>(at - begin));
  ERR_clear_error();
  return certificate;
}

std::string_view text_of(const Owned<BIO>& memory) {
  const char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

bool read_time(const ASN1_TIME* from, TimePoint& to) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(from, &parts) != 1) return false;
  to = TimePoint(std::chrono::seconds(::timegm(&parts)));
  return true;
}

std::vector<std::string> uris_of(const X509* certificate) {
  std::vector<std::string> uris;
  const Owned<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* text = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  ERR_clear_error();
  return uris;
}

// By any of the marks of one: X509_check_ca() wants all of them.
bool is_authority(X509* certificate) {
  const std::uint32_t flags = X509_get_extension_flags(certificate);
  const std::uint32_t usage = (flags & EXFLAG_KUSAGE) != 0 ? X509_get_key_usage(certificate) : 0;
  return (flags & EXFLAG_CA) != 0 || (usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) != 0;
}

Result<CertificateFacts> facts_of(const Owned<X509>& certificate) {
  if (!certificate) return fail(Code::invalid, "holds no certificate");
  CertificateFacts facts;
  facts.uris = uris_of(certificate.get());
  facts.is_ca = is_authority(certificate.get());
  if (!read_time(X509_get0_notBefore(certificate.get()), facts.begins) ||
      !read_time(X509_get0_notAfter(certificate.get()), facts.ends))
    return fail(Code::invalid, "holds a certificate whose validity cannot be read");
  return facts;
}

}  // namespace

Result<std::string> certificates_to_pem(std::string_view der, std::size_t limit) {
  const Owned<BIO> pem(BIO_new(BIO_s_mem()));
  if (!pem) return fail(Code::internal, "certificates: no memory");
  std::size_t count = 0;
  for (; !der.empty(); ++count) {
    const Owned<X509> certificate = next_certificate(der);
    if (!certificate) return fail(Code::invalid, "holds what is no certificate");
    if (count == limit) return fail(Code::invalid, "holds too many certificates");
    if (PEM_write_bio_X509(pem.get(), certificate.get()) != 1)
      return fail(Code::internal, "certificates: no memory");
  }
  if (count == 0) return fail(Code::invalid, "holds no certificate");
  return std::string(text_of(pem));
}

Result<CertificateFacts> read_certificate(std::string_view der) {
  return facts_of(next_certificate(der));
}

Result<CertificateFacts> read_certificate_pem(std::string_view pem) {
  const Owned<BIO> from(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!from) return fail(Code::internal, "certificates: no memory");
  // Without the callback the library would ask the terminal for a passphrase.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  const Owned<X509> certificate(PEM_read_bio_X509(from.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  return facts_of(certificate);
}

Result<Secret> private_key_to_pem(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* end = at + der.size();
  const Owned<PKCS8_PRIV_KEY_INFO> key(
      d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (!key || at != end) return fail(Code::invalid, "is no PKCS#8 key");
  const Owned<BIO> pem(BIO_new(BIO_s_secmem()));
  if (!pem || PEM_write_bio_PKCS8_PRIV_KEY_INFO(pem.get(), key.get()) != 1)
    return fail(Code::internal, "private key: no memory");
  return Secret(text_of(pem));
}

}  // namespace keyward
