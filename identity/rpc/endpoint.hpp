#pragma once
// The gateway's address.  Pure.

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keyward::identity {

// Paths; an empty one is not set.
struct TlsFiles {
  std::string ca, certificate, key;  // OPENSHELL_TLS_CA, OPENSHELL_TLS_CERT, OPENSHELL_TLS_KEY
};

struct GatewayEndpoint {
  std::string
      url;  // OPENSHELL_ENDPOINT: https://HOST:PORT, or http:// where HOST is a loopback address
  std::string ca_pem;  // OPENSHELL_TLS_CA: the only trust; required with https, unless there is a
                       // spiffe_id
  std::string client_cert_pem, client_key_pem;  // optional pair
  std::string server_name;  // OPENSHELL_GATEWAY_TLS_SERVER_NAME; empty = the URL's host
  std::string spiffe_id;  // the gateway's, in place of a name; then a SPIFFE agent gives the trust
  TlsFiles files = {};    // where the three texts come from and are read anew (tls_files.hpp)
};

struct GatewayTarget {
  bool tls = false;
  std::string target;  // in gRPC's naming: ipv4:, ipv6: or dns:
};

// Plaintext only to 127.0.0.0/8, ::1 or `localhost`, which is taken as 127.0.0.1 whatever a hosts
// file says.  The errors name the variable that is wrong.
Result<GatewayTarget> gateway_target(const GatewayEndpoint& endpoint);

}  // namespace keyward::identity
