#pragma once
// An HTTP client for cold paths: key sets, the Kubernetes API.  One request, one connection;
// TLS 1.2 or newer with the server's name checked.  Follows no redirect, obeys no proxy variable.
// Any thread; blocks its caller.  Resolves names as the system does, which a static program cannot:
// it gives a resolver of its own.

#include <chrono>
#include <functional>
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
  // The addresses of a name, as text; null: the system's resolver.  Not asked for literals.
  std::function<Result<std::vector<std::string>>(const std::string& host)> resolve;
};

struct HttpHeader {
  std::string name;
  Secret value;
};

struct HttpRequest {
  Url url;
  std::string method = "GET";
  Secret bearer;  // empty: no authorization header.  Never sent without TLS beyond loopback.
  std::string body;
  std::string content_type = "application/json";  // of a body that is not empty
  std::vector<HttpHeader> headers;                // besides the client's own, or instead of them
};

struct HttpResponse {
  int status = 0;
  std::string body;
};

// Every answer of the server is one; what to make of its status is the caller's part.  Errors
// (Code::unavailable, Code::timeout, Code::denied) name the server, never what was sent.
Result<HttpResponse> send_http(const HttpSettings& settings, const HttpRequest& request);

}  // namespace keyward::identity
