#include "gateway/certgen/certificates.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "base/bytes.hpp"
#include "base/crypto.hpp"

namespace keyward::gateway {
namespace {

constexpr std::chrono::hours ca_life{10 * 365 * 24}, leaf_life{2 * 365 * 24};
constexpr std::chrono::minutes clock_skew{5};

struct Free {
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
  void operator()(BIO* memory) const noexcept { BIO_free(memory); }
};
using X509Ptr = std::unique_ptr<X509, Free>;
using BioPtr = std::unique_ptr<BIO, Free>;

tl::unexpected<Error> fail_openssl(std::string_view what) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return fail(Code::internal, std::string(what) + ": " + (reason == nullptr ? "failed" : reason));
}

BioPtr reader(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string_view content(BIO* memory) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory, &text);
  return {text, static_cast<std::size_t>(size)};
}

bool is_ip(const std::string& name) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, name.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

struct Validity {
  TimePoint now;
  std::chrono::hours life;
};

bool add_name(X509* certificate, const char* kind, const std::string& text) {
  return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), kind, MBSTRING_UTF8,
                                    as_bytes(text).data(), static_cast<int>(text.size()), -1,
                                    0) == 1;
}

bool set_common(X509* certificate, EVP_PKEY* key, const CertificateSubject& name,
                const Validity& validity) {
  const auto seconds = [](TimePoint time) { return std::chrono::system_clock::to_time_t(time); };
  std::string bytes = random_bytes(16);
  bytes[0] = static_cast<char>((bytes[0] & 0x3f) | 0x40);  // a positive serial of full length
  BIGNUM* number = BN_bin2bn(as_bytes(bytes).data(), static_cast<int>(bytes.size()), nullptr);
  const bool serial = BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return serial && X509_set_version(certificate, X509_VERSION_3) == 1 &&
         ASN1_TIME_set(X509_getm_notBefore(certificate), seconds(validity.now - clock_skew)) !=
             nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), seconds(validity.now + validity.life)) !=
             nullptr &&
         std::all_of(name.units.begin(), name.units.end(),
                     [&](const std::string& unit) { return add_name(certificate, "OU", unit); }) &&
         add_name(certificate, "CN", name.common_name) && X509_set_pubkey(certificate, key) == 1;
}

bool add(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

Result<CertifiedKey> to_pem(X509* certificate, EVP_PKEY* key) {
  const BioPtr text(BIO_new(BIO_s_mem())), secret(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_X509(text.get(), certificate) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(secret.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return fail_openssl("certgen: PEM");
  return CertifiedKey{std::string(content(text.get())), Secret(content(secret.get()))};
}

Result<X509Ptr> read_certificate(const std::string& pem) {
  X509Ptr certificate(PEM_read_bio_X509(reader(pem).get(), nullptr, nullptr, nullptr));
  if (!certificate) return fail_openssl("certgen: not a certificate");
  return certificate;
}

Result<KeyPtr> read_key(const Secret& pem) {
  KeyPtr key(PEM_read_bio_PrivateKey(reader(pem.reveal()).get(), nullptr, nullptr, nullptr));
  if (!key) return fail_openssl("certgen: not a private key");
  return key;
}

std::string subject_alternatives(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += (text.empty() ? "" : ",") + std::string(is_ip(name) ? "IP:" : "DNS:") + name;
  return text;
}

struct FreeNames {
  void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
};

std::string name_of(const GENERAL_NAME& entry) {
  if (entry.type != GEN_DNS && entry.type != GEN_IPADD) return {};
  const ASN1_STRING* value = entry.type == GEN_DNS
                                 ? static_cast<const ASN1_STRING*>(entry.d.dNSName)
                                 : static_cast<const ASN1_STRING*>(entry.d.iPAddress);
  const unsigned char* bytes = ASN1_STRING_get0_data(value);
  const int size = ASN1_STRING_length(value);
  if (entry.type == GEN_DNS)
    return lower({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
  char text[INET6_ADDRSTRLEN] = "";
  if (size == 4 || size == 16)
    ::inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text);
  return text;
}

// As UTF-8; "" for what is none.
std::string text_of(const ASN1_STRING& value) {
  unsigned char* bytes = nullptr;
  const int size = ASN1_STRING_to_UTF8(&bytes, &value);
  std::string text(reinterpret_cast<const char*>(bytes),
                   size < 0 ? 0 : static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return text;
}

struct Leaf {
  CertificateSubject subject;
  const char* use;
  std::vector<std::string> names;  // checked
};

// Signed by `ca`.
Result<CertifiedKey> make_leaf(const CertifiedKey& ca, const Leaf& leaf, TimePoint now) {
  TRY_ASSIGN(const X509Ptr issuer, read_certificate(ca.certificate_pem));
  TRY_ASSIGN(const KeyPtr issuer_key, read_key(ca.key_pem));
  if (X509_check_private_key(issuer.get(), issuer_key.get()) != 1)
    return fail(Code::invalid, "ca.key is not the key of ca.crt");
  const KeyPtr key(EVP_EC_gen("P-256"));
  const X509Ptr owner(X509_new());
  X509* certificate = owner.get();
  const bool made = key && set_common(certificate, key.get(), leaf.subject, {now, leaf_life}) &&
                    X509_set_issuer_name(certificate, X509_get_subject_name(issuer.get())) == 1 &&
                    add(certificate, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                    add(certificate, issuer.get(), NID_key_usage, "critical,digitalSignature") &&
                    add(certificate, issuer.get(), NID_ext_key_usage, leaf.use) &&
                    add(certificate, issuer.get(), NID_subject_key_identifier, "hash") &&
                    add(certificate, issuer.get(), NID_authority_key_identifier, "keyid:always") &&
                    (leaf.names.empty() || add(certificate, issuer.get(), NID_subject_alt_name,
                                               subject_alternatives(leaf.names))) &&
                    X509_sign(certificate, issuer_key.get(), EVP_sha256()) != 0;
  if (!made) return fail_openssl("certgen: certificate");
  return to_pem(certificate, key.get());
}

bool is_dns_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-';
         });
}

}  // namespace

Result<> check_subject_name(const std::string& name) {
  if (is_ip(name)) return {};
  std::string_view rest = name;
  if (rest.starts_with("*.")) rest.remove_prefix(2);
  bool well_formed = name.size() <= 253 && !rest.empty();
  while (well_formed) {
    const auto dot = rest.find('.');
    well_formed = is_dns_label(rest.substr(0, dot));
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (well_formed) return {};
  return fail(Code::invalid, "--server-san: neither a DNS name nor an IP address");
}

Result<CertifiedKey> make_ca(TimePoint now) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const X509Ptr owner(X509_new());
  X509* certificate = owner.get();
  const bool made =
      key && set_common(certificate, key.get(), {"Keyward gateway CA", {}}, {now, ca_life}) &&
      X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
      add(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
      add(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
      add(certificate, certificate, NID_subject_key_identifier, "hash") &&
      X509_sign(certificate, key.get(), EVP_sha256()) != 0;
  if (!made) return fail_openssl("certgen: CA");
  return to_pem(certificate, key.get());
}

Result<CertifiedKey> make_server(const CertifiedKey& ca, const std::vector<std::string>& names,
                                 TimePoint now) {
  for (const std::string& name : names) TRY(check_subject_name(name));
  return make_leaf(ca, {{"openshell", {}}, "serverAuth", names}, now);
}

Result<CertifiedKey> make_client(const CertifiedKey& ca, const CertificateSubject& name,
                                 TimePoint now) {
  return make_leaf(ca, {name, "clientAuth", {}}, now);
}

Result<CertificateSubject> certificate_subject(const std::string& certificate_pem) {
  TRY_ASSIGN(const X509Ptr certificate, read_certificate(certificate_pem));
  const X509_NAME* name = X509_get_subject_name(certificate.get());
  CertificateSubject subject;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const int kind = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (kind != NID_commonName && kind != NID_organizationalUnitName) continue;
    std::string text = text_of(*X509_NAME_ENTRY_get_data(entry));
    if (kind == NID_commonName)
      subject.common_name = std::move(text);
    else
      subject.units.push_back(std::move(text));
  }
  return subject;
}

std::string canonical_subject_name(const std::string& name) {
  unsigned char bytes[16];
  char text[INET6_ADDRSTRLEN] = "";
  for (const int family : {AF_INET, AF_INET6})
    if (::inet_pton(family, name.c_str(), bytes) == 1)
      return ::inet_ntop(family, bytes, text, sizeof text);
  return lower(name);
}

Result<std::vector<std::string>> subject_names(const std::string& certificate_pem) {
  TRY_ASSIGN(const X509Ptr certificate, read_certificate(certificate_pem));
  const std::unique_ptr<GENERAL_NAMES, FreeNames> entries(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> names;
  for (int i = 0; i < sk_GENERAL_NAME_num(entries.get()); ++i) {
    std::string name = name_of(*sk_GENERAL_NAME_value(entries.get(), i));
    if (!name.empty()) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace keyward::gateway
