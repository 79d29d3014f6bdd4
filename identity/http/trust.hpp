#pragma once
// Whom the HTTP client believes.

#include <boost/asio/ssl/context.hpp>
#include <vector>

#include "identity/http/client.hpp"

namespace keyward::identity {

// TLS 1.2 or newer, no renegotiation; the settings' authorities, or the system's from where OpenSSL
// was built to look: SSL_CERT_FILE and SSL_CERT_DIR, which an image can set, are not obeyed.
Result<> trust(boost::asio::ssl::context& context, const HttpSettings& settings);

// The client's certificate, for a server that asks for one.  Errors: Code::invalid.
Result<> present(boost::asio::ssl::context& context, const ClientCertificate& certificate);

// The other side has ended the connection by an alert about the certificate that it got, or that it
// did not get (RFC 8446 section 6.2).
bool refuses_certificate(const boost::system::error_code& error);

// After the handshake.  True without pins.
bool is_pinned(SSL* connection, const std::vector<Digest>& pins);

}  // namespace keyward::identity
