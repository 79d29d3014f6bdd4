#pragma once
// Answers of the proxy itself: they say that it was the proxy, why, and what to do next (RFC 9457
// problem details, RFC 9209 Proxy-Status).  An upstream's answer never carries these fields.

#include <string>
#include <vector>

#include "netproxy/http/head.hpp"

namespace keyward::netproxy {

struct Problem {
  int status = 403;
  std::string
      code;  // machine word: "no_endpoint", "destination_ip_prohibited", "credential_missing" …
  std::string proxy_error;              // RFC 9209 section 2.3 type
  std::string detail;                   // one sentence
  std::vector<std::string> next_steps;  // what would change the answer
  std::string host, method, path, rule, policy_hash;
  std::uint16_t port = 0;
  std::string layer;  // "l4", "l7", "ssrf", "credential", "http", "upstream"
};

std::string_view reason_phrase(int status);

// A whole response.  JSON, or the same facts as plain text for clients that read answers to people
// (curl, wget, git, or no JSON in Accept).  `close` adds Connection: close.
std::string problem_response(const Problem& problem, const Headers& request, bool close);

}  // namespace keyward::netproxy
