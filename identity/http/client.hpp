#pragma once
// An HTTP client for cold paths: key sets, the Kubernetes API, token endpoints.  One request, one
// connection; TLS 1.2 or newer with the server's name checked.  Follows no redirect, obeys no proxy
// variable and none that names other authorities.  Any thread; blocks its caller.

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/crypto.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/url.hpp"
#include "netproxy/guard/address.hpp"

namespace keyward::identity {

using Addresses = std::vector<netproxy::Address>;
// Blocks, but not once `stop` is requested, which happens at the deadline at the latest.
using ResolveName =
    std::function<Result<Addresses>(const std::string& host, const std::stop_token& stop)>;

struct HttpSettings {
  std::string ca_pem;                          // the only trust; empty: the system's authorities
  std::chrono::milliseconds deadline{10'000};  // for everything
  std::chrono::milliseconds connect_deadline{10'000};  // for one connection and its handshake
  std::size_t body_limit = 1 << 20;                    // bytes
  // SHA-256 of SubjectPublicKeyInfos (RFC 7469 section 2.4), of which one must be in the server's
  // verified chain; none: every chain that is trusted.  Beside the trust, not instead of it.
  std::vector<Digest> spki_pins;
  // From a name to addresses; empty: as the system does, which static programs cannot.  An address
  // is dialled only where it is given by this; a literal is not asked for.
  ResolveName resolve;
  // Asked for each address before one is dialled: one that is refused ends the request, and what
  // was checked is what is dialled.  Empty: every address.
  std::function<Result<>(const netproxy::Address&)> may_dial;
  std::stop_token stop;  // once requested, requests fail at once (Code::unavailable)
};

// Of the client (RFC 8446 section 4.4.2), in PEM, the leaf first.
struct ClientCertificate {
  std::string certificates_pem;
  Secret key_pem;
};

struct HttpHeader {
  std::string name;
  Secret value;
};

struct HttpRequest {
  Url url;
  std::string method = "GET";
  Secret bearer;  // empty: no authorization header.  Never sent without TLS beyond loopback.
  Secret body;    // empty: none
  std::string content_type = "application/json";   // of the body
  std::vector<HttpHeader> headers;                 // besides the client's own, or instead of them
  const ClientCertificate* certificate = nullptr;  // for a server that asks for one; TLS only
};

struct HttpResponse {
  int status = 0;
  std::string content_type, retry_after;  // as they came; empty where absent or given twice
  std::string body;
};

// Every answer of the server is one; what to make of its status is the caller's part.  Errors
// (Code::unavailable, Code::timeout, Code::denied) name the server, never what was sent.
// Code::unauthenticated: it refuses the client's certificate by a TLS alert.
Result<HttpResponse> send_http(const HttpSettings& settings, const HttpRequest& request);

}  // namespace keyward::identity
