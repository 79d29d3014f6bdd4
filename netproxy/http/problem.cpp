#include "netproxy/http/problem.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "netproxy/http/fields.hpp"
#include "netproxy/http/target.hpp"

namespace keyward::netproxy {
namespace {

// Foreign bytes inside a header or a status line: printable ASCII only, no quote, no backslash.
std::string header_safe(std::string_view text) {
  std::string safe;
  for (const char c : text.substr(0, 200))
    safe += c >= 0x20 && c < 0x7f && c != '"' && c != '\\' ? c : '?';
  return safe;
}

std::string json_body(const Problem& problem) {
  nlohmann::ordered_json body = {
      {"type", "about:blank"}, {"title", problem.title}, {"status", problem.status}};
  body["detail"] = problem.detail;
  body["code"] = problem.code;
  body["host"] = problem.host;
  body["port"] = problem.port;
  body["method"] = problem.method;
  body["path"] = problem.path;
  body["layer"] = problem.layer;
  body["rule"] =
      problem.rule.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(problem.rule);
  body["policy_hash"] = problem.policy_hash;
  body["decision_id"] = problem.decision_id;
  body["retryable"] = problem.retryable;
  body["next_steps"] = problem.next_steps;
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string text_body(const Problem& problem) {
  const std::string where = header_safe(problem.host) + ":" + std::to_string(problem.port);
  std::string text = "keyward: " + header_safe(problem.title) + "\n";
  text +=
      "  request:  " + header_safe(problem.method) + " " + where + header_safe(problem.path) + "\n";
  text += "  why:      " + header_safe(problem.detail) + " (" + problem.code + ")\n";
  text += "  rule:     " +
          (problem.rule.empty() ? std::string("none matches") : header_safe(problem.rule)) +
          ", policy " + problem.policy_hash.substr(0, 12) + "\n";
  text += "  next:     " +
          (problem.next_steps.empty() ? std::string("-") : header_safe(problem.next_steps[0])) +
          "\n";
  text += "  decision: " + problem.decision_id + "\n";
  return text;
}

struct Document {
  const char* type;
  std::string body;
};

Document document(const Problem& problem, AnswerForm form) {
  if (!problem.xml.empty()) return {"application/xml", problem.xml};
  if (form == AnswerForm::json) return {"application/problem+json", json_body(problem)};
  return {"text/plain; charset=utf-8", text_body(problem)};
}

std::string status_text(const Problem& problem) {
  std::string reason(reason_phrase(problem.status));
  if (problem.method != "CONNECT") return reason;
  return reason + " (keyward: " + header_safe(problem.code) + ": " + header_safe(problem.detail) +
         ")";
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 421:
      return "Misdirected Request";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Refused";
  }
}

AnswerForm answer_form(const Headers& request) {
  const std::string* agent = find_header(request, "user-agent");
  if (agent != nullptr && (agent->starts_with("curl/") || agent->starts_with("git/")))
    return AnswerForm::text;
  if (find_header(request, "accept") == nullptr) return AnswerForm::json;
  const auto accepted = list_tokens(request, "accept");
  const bool json = std::any_of(accepted.begin(), accepted.end(), [](std::string_view one) {
    return one.find("json") != std::string_view::npos || one.starts_with("*/*") ||
           one.starts_with("application/*");
  });
  return json ? AnswerForm::json : AnswerForm::text;
}

std::string render(const Problem& problem, const AnswerOptions& options) {
  const auto [type, body] = document(problem, options.form);
  ResponseHead head;
  head.status = problem.status;
  head.reason = status_text(problem);
  head.headers = {{"Content-Type", type},
                  {"Content-Length", std::to_string(body.size())},
                  {"Proxy-Status", "keyward; error=" + problem.proxy_error + "; details=\"" +
                                       header_safe(problem.code) + "\""},
                  {"Cache-Control", "no-store"}};
  if (!problem.retryable) head.headers.push_back({"x-should-retry", "false"});
  if (!options.keep_alive) head.headers.push_back({"Connection", "close"});
  return options.head_only ? serialize(head) : serialize(head) + body;
}

}  // namespace keyward::netproxy
