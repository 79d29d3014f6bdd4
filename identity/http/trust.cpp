#include "identity/http/trust.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <boost/asio/ssl/error.hpp>

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
  SSL_CTX_set_options(context.native_handle(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CLEANSE_PLAINTEXT);
  return {};
}

Result<> present(asio::ssl::context& context, const ClientCertificate& certificate) {
  boost::system::error_code error;
  (void)context.use_certificate_chain(asio::buffer(certificate.certificates_pem), error);
  if (!error) {
    const std::string_view key = certificate.key_pem.reveal();
    (void)context.use_private_key(asio::buffer(key.data(), key.size()), asio::ssl::context::pem,
                                  error);
  }
  if (error) return fail(Code::invalid, "the client's certificate: " + error.message());
  return {};
}

bool refuses_certificate(const boost::system::error_code& error) {
  if (error.category() != asio::error::get_ssl_category()) return false;
  constexpr std::array alerts = {SSL_AD_BAD_CERTIFICATE,     SSL_AD_UNSUPPORTED_CERTIFICATE,
                                 SSL_AD_CERTIFICATE_REVOKED, SSL_AD_CERTIFICATE_EXPIRED,
                                 SSL_AD_CERTIFICATE_UNKNOWN, SSL_AD_UNKNOWN_CA,
                                 SSL_AD_ACCESS_DENIED,       SSL_AD_CERTIFICATE_REQUIRED};
  const int alert =
      ERR_GET_REASON(static_cast<unsigned long>(error.value())) - SSL_AD_REASON_OFFSET;
  return std::find(alerts.begin(), alerts.end(), alert) != alerts.end();
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
