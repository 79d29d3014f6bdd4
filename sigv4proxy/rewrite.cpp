#include "sigv4proxy/rewrite.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "netproxy/http/head_parser.hpp"
#include "netproxy/sigv4/query.hpp"

namespace keyward::sigv4proxy {
namespace {

// Framing, routing and the signature are the proxy's own.
constexpr std::array<std::string_view, 12> own_headers = {"authorization",
                                                          "connection",
                                                          "content-length",
                                                          "expect",
                                                          "host",
                                                          "keep-alive",
                                                          "te",
                                                          "trailer",
                                                          "transfer-encoding",
                                                          "x-amz-content-sha256",
                                                          "x-amz-date",
                                                          "x-amz-security-token"};

bool matches(std::string_view name, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
    if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
    return name == pattern;
  });
}

Result<std::string> header_pattern(const std::string& text, std::string_view option) {
  const bool prefix = text.ends_with('*');
  if (!netproxy::is_token(prefix ? text.substr(0, text.size() - 1) : text))
    return fail(Code::invalid, std::string(option) + ": not a header's name");
  return lower(text);
}

Result<netproxy::Header> custom_header(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos)
    return fail(Code::invalid, "--custom-headers: must be NAME=VALUE");
  auto header = netproxy::parse_field_line(text.substr(0, equals) + ": " + text.substr(equals + 1));
  if (!header) return fail_at("--custom-headers", std::move(header).error());
  if (std::find(own_headers.begin(), own_headers.end(), lower(header->name)) != own_headers.end())
    return fail(Code::invalid, "--custom-headers: " + header->name + " is set by the proxy");
  return header;
}

// X-Original-NAME of what the client sent, before anything is taken out.
void duplicate(netproxy::Headers& headers, const std::vector<std::string>& names) {
  netproxy::Headers copies;
  for (const netproxy::Header& header : headers)
    if (matches(lower(header.name), names))
      copies.push_back({"X-Original-" + header.name, header.value});
  headers.insert(headers.end(), copies.begin(), copies.end());
}

// A query that cannot be read stays as it is: it is refused when it is signed.
void strip_query(std::string& target, const std::vector<std::string>& patterns) {
  auto kept = netproxy::without_query_items(
      target, [&](const netproxy::QueryItem& item) { return matches(lower(item.name), patterns); });
  if (kept) target = std::move(*kept);
}

}  // namespace

Result<Rewriting> read_rewriting(const Options& options) {
  Rewriting rewriting;
  for (const std::string& text : options.strip_headers) {
    TRY_ASSIGN(rewriting.strip_headers.emplace_back(), header_pattern(text, "--strip-header"));
  }
  for (const std::string& text : options.duplicate_headers) {
    TRY_ASSIGN(rewriting.duplicate_headers.emplace_back(),
               header_pattern(text, "--duplicate-headers"));
  }
  for (const std::string& text : options.strip_params)
    rewriting.strip_params.push_back(lower(text));
  for (const std::string& text : options.custom_headers) {
    TRY_ASSIGN(rewriting.custom_headers.emplace_back(), custom_header(text));
  }
  return rewriting;
}

void rewrite(netproxy::RequestHead& head, const Rewriting& rewriting) {
  if (!rewriting.duplicate_headers.empty()) duplicate(head.headers, rewriting.duplicate_headers);
  if (!rewriting.strip_headers.empty())
    std::erase_if(head.headers, [&](const netproxy::Header& header) {
      const std::string name = lower(header.name);
      const bool framing = name == "content-length" || name == "transfer-encoding";
      return !framing && matches(name, rewriting.strip_headers);
    });
  for (const netproxy::Header& header : rewriting.custom_headers)
    netproxy::set_header(head.headers, header.name, header.value);
  if (!rewriting.strip_params.empty()) strip_query(head.target, rewriting.strip_params);
}

}  // namespace keyward::sigv4proxy
