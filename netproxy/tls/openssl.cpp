#include "netproxy/tls/openssl.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace keyward::netproxy {
namespace {

// NOLINTNEXTLINE(readability-function-size): the parameters are OpenSSL's
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* in, unsigned in_size, void*) {
  static constexpr unsigned char http11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, http11, sizeof http11 - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301: no_application_protocol
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

void FreeSsl::operator()(ssl_st* ssl) const noexcept { SSL_free(ssl); }
void FreeSsl::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }
void FreeSsl::operator()(ssl_session_st* session) const noexcept { SSL_SESSION_free(session); }
void FreeSsl::operator()(x509_st* certificate) const noexcept { X509_free(certificate); }
void FreeSsl::operator()(bio_st* bio) const noexcept { BIO_free(bio); }

std::string take_openssl_error() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : "TLS failure";
}

void set_common_options(ssl_ctx_st* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
}

void set_server_options(ssl_ctx_st* context) {
  set_common_options(context);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_max_early_data(context, 0);
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
}

}  // namespace keyward::netproxy
