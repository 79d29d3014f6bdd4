#pragma once
// Refusals that explain themselves: RFC 9457 problem documents with RFC 9209 Proxy-Status, or the
// same facts as six lines of text for clients that show bodies to people.  Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "netproxy/http/head.hpp"

namespace keyward::netproxy {

struct Problem {
  int status = 403;
  std::string code;          // machine word: "no_endpoint", "destination_ip_prohibited", …
  std::string title;         // what happened, a few words
  std::string detail;        // one sentence: what was missing, what would allow it
  std::string log_detail;    // for the audit record in place of the detail; never for the client
  std::string layer = "l7";  // l4 | l7 | ssrf | credential | upstream
  std::string proxy_error;   // RFC 9209 section 2.3 error type
  bool retryable = false;
  std::vector<std::string> next_steps;
  std::string xml;  // a document of the upstream's own kind, sent in place of this one; or empty
  // Filled in by the session that answers.
  std::string host, method, path, rule, policy_hash, decision_id;
  std::uint16_t port = 0;
};

enum class AnswerForm { json, text };
// Text for curl and git, and for an Accept that takes no JSON.
AnswerForm answer_form(const Headers& request);

// The whole response.  `head_only`: the answer to HEAD.  `keep_alive`: whether the connection
// stays usable.  For CONNECT (problem.method) the reason phrase tells as well, because most
// clients show nothing else.
struct AnswerOptions {
  AnswerForm form = AnswerForm::json;
  bool head_only = false;
  bool keep_alive = false;
};
std::string render(const Problem& problem, const AnswerOptions& options);

std::string_view reason_phrase(int status);

}  // namespace keyward::netproxy
