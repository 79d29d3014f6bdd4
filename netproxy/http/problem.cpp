#include "netproxy/http/problem.hpp"

#include "base/bytes.hpp"
#include "base/log.hpp"

namespace keyward::netproxy {
namespace {

bool wants_text(const Headers& request) {
  const std::string* agent = find_header(request, "user-agent");
  const std::string* accept = find_header(request, "accept");
  for (const char* name : {"curl/", "Wget/", "git/"})
    if (agent != nullptr && agent->starts_with(name)) return true;
  return accept != nullptr && accept->find("json") == std::string::npos &&
         accept->find("*/*") == std::string::npos;
}

void add_text(std::string& json, std::string_view key, std::string_view value) {
  if (!value.empty()) json.append(",\"").append(key).append("\":").append(log::json_quote(value));
}

std::string as_json(const Problem& problem) {
  std::string json = "{\"type\":\"urn:keyward:problem:" + problem.code +
                     "\",\"title\":" + log::json_quote(reason_phrase(problem.status)) +
                     ",\"status\":" + std::to_string(problem.status);
  add_text(json, "detail", problem.detail);
  add_text(json, "code", problem.code);
  add_text(json, "layer", problem.layer);
  add_text(json, "host", problem.host);
  if (problem.port != 0) json += ",\"port\":" + std::to_string(problem.port);
  add_text(json, "method", problem.method);
  add_text(json, "path", problem.path);
  add_text(json, "rule", problem.rule);
  add_text(json, "policy_hash", problem.policy_hash);
  json += ",\"retryable\":";
  json += problem.status >= 502 ? "true" : "false";
  json += ",\"next_steps\":[";
  for (std::size_t i = 0; i < problem.next_steps.size(); ++i)
    json += (i > 0 ? "," : "") + log::json_quote(problem.next_steps[i]);
  return json + "]}\n";
}

std::string as_text(const Problem& problem) {
  std::string text = "keyward: " + problem.detail + "\n";
  text += "code: " + problem.code + " (layer " + problem.layer + ")\n";
  if (!problem.host.empty())
    text += "destination: " + problem.host + ":" + std::to_string(problem.port) + "\n";
  if (!problem.path.empty()) text += "request: " + problem.method + " " + problem.path + "\n";
  if (!problem.rule.empty()) text += "rule: " + problem.rule + "\n";
  for (const std::string& step : problem.next_steps) text += "next: " + step + "\n";
  return text;
}

// A structured-field string (RFC 8941 section 3.3.3) holds printable ASCII only.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c >= 0x20 && c < 0x7f ? c : '?';
  }
  return out + "\"";
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 417:
      return "Expectation Failed";
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
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Error";
  }
}

std::string problem_response(const Problem& problem, const Headers& request, bool close) {
  const bool text = wants_text(request);
  const std::string body = text ? as_text(problem) : as_json(problem);
  ResponseHead head;
  head.status = problem.status;
  // Clients often show nothing but the status line of a refused CONNECT.
  head.reason =
      problem.code.empty() ? std::string(reason_phrase(problem.status)) : "Keyward " + problem.code;
  std::string line = "HTTP/1.1 " + std::to_string(head.status) + " " + head.reason + "\r\n";
  line += std::string("Content-Type: ") +
          (text ? "text/plain; charset=utf-8" : "application/problem+json") + "\r\n";
  line += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  line += "Proxy-Status: keyward; error=" + problem.proxy_error +
          "; details=" + quoted(problem.detail) + "\r\n";
  line += "Cache-Control: no-store\r\nX-Should-Retry: false\r\n";
  if (close) line += "Connection: close\r\n";
  return line + "\r\n" + body;
}

}  // namespace keyward::netproxy
