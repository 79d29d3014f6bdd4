#pragma once
// An HTTP client for cold paths: key sets, the Kubernetes API.  One request, one connection;
// TLS 1.2 or newer with the server's name checked.  Follows no redirect, obeys no proxy variable.
// Any thread; blocks its caller.  Resolves names as the system does, so it is for dynamic programs.

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/url.hpp"

namespace keyward::identity {

struct HttpSettings {
  std::string ca_pem;                          // the only trust; empty: the system's authorities
  std::chrono::milliseconds deadline{10'000};  // for everything
  std::size_t body_limit = 1 << 20;            // bytes
};

struct HttpRequest {
  Url url;
  std::string method = "GET";
  Secret bearer;     // empty: no authorization header.  Never sent without TLS beyond loopback.
  std::string body;  // sent as application/json where it is not empty
};

struct HttpResponse {
  int status = 0;
  std::string body;
};

// Every answer of the server is one; what to make of its status is the caller's part.  Errors
// (Code::unavailable, Code::timeout, Code::denied) name the server, never what was sent.
Result<HttpResponse> send_http(const HttpSettings& settings, const HttpRequest& request);

}  // namespace keyward::identity
