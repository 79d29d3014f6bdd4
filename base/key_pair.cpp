#include "base/key_pair.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace keyward {
namespace {

struct Free {
  void operator()(BIO* memory) const noexcept { BIO_free(memory); }
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
using BioPtr = std::unique_ptr<BIO, Free>;
using X509Ptr = std::unique_ptr<X509, Free>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free>;

BioPtr reader(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Without it the library asks the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

X509Ptr next_certificate(const BioPtr& from) {
  return X509Ptr(PEM_read_bio_X509(from.get(), nullptr, no_passphrase, nullptr));
}

// The reason for which reading ended: nothing more to be found, or something that cannot be read.
bool was_the_end() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

}  // namespace

Result<> check_certificates(std::string_view pem) {
  const BioPtr from = reader(pem);
  if (!from) return fail(Code::internal, "certificates: no memory");
  std::size_t count = 0;
  while (next_certificate(from)) ++count;
  if (!was_the_end()) return fail(Code::invalid, "holds a certificate that is cut or broken");
  if (count == 0) return fail(Code::invalid, "holds no certificate");
  return {};
}

Result<> check_key_pair(std::string_view certificates_pem, std::string_view key_pem) {
  TRY(check_certificates(certificates_pem));
  const BioPtr key_text = reader(key_pem), certificate_text = reader(certificates_pem);
  if (!key_text || !certificate_text) return fail(Code::internal, "key pair: no memory");
  const X509Ptr certificate = next_certificate(certificate_text);
  const KeyPtr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, no_passphrase, nullptr));
  const bool paired = key && X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!key) return fail(Code::invalid, "the private key is cut, broken or has a passphrase");
  if (!paired) return fail(Code::invalid, "the private key is not the certificate's");
  return {};
}

}  // namespace keyward
