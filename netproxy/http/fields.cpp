#include "netproxy/http/fields.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::array<std::string_view, 6> hop_headers = {
    "connection",          "keep-alive",         "proxy-connection",
    "proxy-authorization", "proxy-authenticate", "upgrade"};

void strip_hop_headers(Headers& headers) {
  std::vector<std::string> named;
  for (const std::string_view token : list_tokens(headers, "connection")) named.emplace_back(token);
  std::erase_if(headers, [&named](const Header& header) {
    const auto same = [&header](std::string_view name) {
      return equals_ignoring_case(header.name, name);
    };
    return std::any_of(hop_headers.begin(), hop_headers.end(), same) ||
           std::any_of(named.begin(), named.end(), same);
  });
}

void append_fields(std::string& text, const Headers& headers) {
  for (const Header& header : headers)
    text.append(header.name).append(": ").append(header.value).append("\r\n");
  text.append("\r\n");
}

std::size_t fields_size(const Headers& headers) {
  std::size_t size = 64;
  for (const Header& header : headers) size += header.name.size() + header.value.size() + 4;
  return size;
}

}  // namespace

const std::string* find_header(const Headers& headers, std::string_view name) {
  for (const Header& header : headers)
    if (equals_ignoring_case(header.name, name)) return &header.value;
  return nullptr;
}

std::size_t count_headers(const Headers& headers, std::string_view name) {
  return static_cast<std::size_t>(std::count_if(
      headers.begin(), headers.end(),
      [name](const Header& header) { return equals_ignoring_case(header.name, name); }));
}

void remove_header(Headers& headers, std::string_view name) {
  std::erase_if(headers,
                [name](const Header& header) { return equals_ignoring_case(header.name, name); });
}

void set_header(Headers& headers, std::string_view name, std::string value) {
  const auto same = [name](const Header& header) {
    return equals_ignoring_case(header.name, name);
  };
  const auto first = std::find_if(headers.begin(), headers.end(), same);
  if (first == headers.end()) {
    headers.push_back({std::string(name), std::move(value)});
    return;
  }
  first->value = std::move(value);
  headers.erase(std::remove_if(first + 1, headers.end(), same), headers.end());
}

std::vector<std::string_view> list_tokens(const Headers& headers, std::string_view name) {
  std::vector<std::string_view> tokens;
  for (const Header& header : headers) {
    if (!equals_ignoring_case(header.name, name)) continue;
    std::string_view rest = header.value;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      const std::string_view token = trim(rest.substr(0, comma));
      if (!token.empty()) tokens.push_back(token);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return tokens;
}

bool has_list_token(const Headers& headers, std::string_view name, std::string_view token) {
  const auto tokens = list_tokens(headers, name);
  return std::any_of(tokens.begin(), tokens.end(),
                     [token](std::string_view one) { return equals_ignoring_case(one, token); });
}

void strip_request_hop_headers(Headers& headers) {
  const bool trailers = has_list_token(headers, "te", "trailers");
  strip_hop_headers(headers);
  remove_header(headers, "te");
  if (!trailers) return;
  headers.push_back({"TE", "trailers"});
  headers.push_back({"Connection", "TE"});
}

void strip_response_hop_headers(Headers& headers) {
  strip_hop_headers(headers);
  remove_header(headers, "alt-svc");
}

std::string serialize(const RequestHead& head) {
  std::string text;
  text.reserve(fields_size(head.headers) + head.method.size() + head.target.size());
  text.append(head.method).append(" ").append(head.target).append(" HTTP/1.1\r\n");
  append_fields(text, head.headers);
  return text;
}

std::string serialize(const ResponseHead& head) {
  std::string text;
  text.reserve(fields_size(head.headers) + head.reason.size());
  text.append("HTTP/1.1 ")
      .append(std::to_string(head.status))
      .append(" ")
      .append(head.reason)
      .append("\r\n");
  append_fields(text, head.headers);
  return text;
}

}  // namespace keyward::netproxy
