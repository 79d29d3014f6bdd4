#pragma once
// Whom the HTTP client believes.

#include <boost/asio/ssl/context.hpp>
#include <vector>

#include "identity/http/client.hpp"

namespace keyward::identity {

// TLS 1.2 or newer, no renegotiation; the settings' authorities, or the system's from where OpenSSL
// was built to look: SSL_CERT_FILE and SSL_CERT_DIR, which an image can set, are not obeyed.
Result<> trust(boost::asio::ssl::context& context, const HttpSettings& settings);

// After the handshake.  True without pins.
bool is_pinned(SSL* connection, const std::vector<Digest>& pins);

}  // namespace keyward::identity
