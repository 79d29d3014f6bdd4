#pragma once
// Owners for OpenSSL's objects, without its headers.

#include <memory>
#include <string>

struct ssl_st;
struct ssl_ctx_st;
struct ssl_session_st;
struct x509_st;
struct bio_st;

namespace keyward::netproxy {

struct FreeSsl {
  void operator()(ssl_st* ssl) const noexcept;
  void operator()(ssl_ctx_st* context) const noexcept;
  void operator()(ssl_session_st* session) const noexcept;
  void operator()(x509_st* certificate) const noexcept;
  void operator()(bio_st* bio) const noexcept;
};
using SslPtr = std::unique_ptr<ssl_st, FreeSsl>;
using SslContextPtr = std::unique_ptr<ssl_ctx_st, FreeSsl>;
using SslSessionPtr = std::unique_ptr<ssl_session_st, FreeSsl>;
using X509Ptr = std::unique_ptr<x509_st, FreeSsl>;
using BioPtr = std::unique_ptr<bio_st, FreeSsl>;

// The oldest entry of this thread's error queue as text, and the queue emptied.
std::string take_openssl_error();

// What both directions share: TLS 1.2 and 1.3, no renegotiation, no compression, buffers released
// when idle, large reads.
void set_common_options(ssl_ctx_st* context);
// And what servers add: forward secrecy, http/1.1, one ticket per handshake, no early data.
void set_server_options(ssl_ctx_st* context);

}  // namespace keyward::netproxy
