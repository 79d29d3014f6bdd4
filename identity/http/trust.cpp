#include "identity/http/trust.hpp"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>

#include "base/bytes.hpp"

namespace keyward::identity {
namespace {

namespace asio = boost::asio;

Result<> load_authorities(asio::ssl::context& context, const HttpSettings& settings) {
  if (settings.ca_pem.empty()) {
    // Either may be missing: what counts is that a chain verifies in the end.
    SSL_CTX_load_verify_file(context.native_handle(), X509_get_default_cert_file());
    SSL_CTX_load_verify_dir(context.native_handle(), X509_get_default_cert_dir());
    return {};
  }
  boost::system::error_code error;
  (void)context.add_certificate_authority(asio::buffer(settings.ca_pem), error);
  if (error) return fail(Code::invalid, "CA certificates: " + error.message());
  return {};
}

Digest spki_digest(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  const Digest digest = sha256(size > 0 ? as_chars({der, static_cast<std::size_t>(size)}) : "");
  OPENSSL_free(der);
  return digest;
}

}  // namespace

Result<> trust(asio::ssl::context& context, const HttpSettings& settings) {
  TRY(load_authorities(context, settings));
  context.set_verify_mode(asio::ssl::verify_peer);
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.native_handle(), SSL_OP_NO_RENEGOTIATION);
  return {};
}

bool is_pinned(SSL* connection, const std::vector<Digest>& pins) {
  if (pins.empty()) return true;
  STACK_OF(X509)* chain = SSL_get0_verified_chain(connection);
  for (int i = 0; i < sk_X509_num(chain); ++i)
    if (std::find(pins.begin(), pins.end(), spki_digest(sk_X509_value(chain, i))) != pins.end())
      return true;
  return false;
}

}  // namespace keyward::identity
