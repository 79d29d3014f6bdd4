#include "netproxy/sigv4/canonical.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/bytes.hpp"
#include "netproxy/policy/percent.hpp"
#include "netproxy/policy/policy.hpp"
#include "netproxy/sigv4/query.hpp"

namespace keyward::netproxy {
namespace {

// Connection-level fields, and what proxies and SDKs change on the way (aws-c-auth's list, and the
// hop-by-hop fields).
constexpr std::array<std::string_view, 24> unsigned_headers = {"authorization",
                                                               "connection",
                                                               "keep-alive",
                                                               "proxy-connection",
                                                               "proxy-authorization",
                                                               "te",
                                                               "trailer",
                                                               "transfer-encoding",
                                                               "upgrade",
                                                               "expect",
                                                               "user-agent",
                                                               "accept",
                                                               "accept-encoding",
                                                               "x-amzn-trace-id",
                                                               "via",
                                                               "forwarded",
                                                               "x-forwarded-for",
                                                               "x-forwarded-proto",
                                                               "x-forwarded-host",
                                                               "amz-sdk-invocation-id",
                                                               "amz-sdk-request",
                                                               "content-length",
                                                               "sec-websocket-key",
                                                               "sec-websocket-version"};

// A path that is already encoded, in its canonical single encoding: S3 decodes what it receives
// and encodes that again.
Result<std::string> single_encoding(std::string_view path) {
  TRY_ASSIGN(const std::string decoded, percent_decode(path));
  return percent_encode(decoded, Slash::keep);
}

std::string without_dots(std::string_view path) {
  std::vector<std::string_view> kept;
  bool directory = path.ends_with('/');
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, end - at);
    if (segment == ".." && !kept.empty()) kept.pop_back();
    if (segment != ".." && segment != "." && !segment.empty()) kept.push_back(segment);
    at = end + 1;
  }
  std::string out;
  for (const std::string_view segment : kept) out.append("/").append(segment);
  if (out.empty() || directory) out += '/';
  return out;
}

struct Query {
  std::string canonical, sent;
};
Result<Query> canonical_query(std::string_view target) {
  TRY_ASSIGN(const std::vector<QueryItem> items, query_items(target));
  std::vector<std::pair<std::string, std::string>> encoded;
  Query result;
  for (const QueryItem& item : items) {
    auto& [name, value] = encoded.emplace_back(percent_encode(item.name, Slash::encode),
                                               percent_encode(item.value, Slash::encode));
    // A bare key stays bare on the wire: servers tell `?acl` from nothing, and the signature reads
    // both as `acl=`.
    const bool bare = item.raw.find('=') == std::string_view::npos;
    result.sent.append(result.sent.empty() ? "" : "&").append(name).append(bare ? "" : "=");
    result.sent.append(value);
  }
  std::sort(encoded.begin(), encoded.end());
  for (const auto& [name, value] : encoded)
    result.canonical.append(result.canonical.empty() ? "" : "&")
        .append(name)
        .append("=")
        .append(value);
  return result;
}

// Runs of white space become one blank, also inside quotes; folded lines are white space.
void append_folded(std::string& out, std::string_view value) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  const std::string_view text = trim(value);
  for (auto at = text.begin(); at != text.end();) {
    const auto end = std::find_if(at, text.end(), is_blank);
    out.append(at, end);
    at = std::find_if_not(end, text.end(), is_blank);
    if (at != text.end()) out += ' ';
  }
}

constexpr std::size_t usual_line = 64, usual_name = 16;

struct Line {
  std::string name;
  std::string_view value;
};

// Whether a header of the outgoing request is signed: host, content-type, content-md5, range and
// every x-amz-*, and whatever else no intermediary changes.
bool is_signed_header(std::string_view lower_name) {
  return std::find(unsigned_headers.begin(), unsigned_headers.end(), lower_name) ==
         unsigned_headers.end();
}

// Names and values of the lines in their order; repeated names joined.
struct HeaderBlock {
  std::string text, names;
};
HeaderBlock header_block(std::vector<Line> lines) {
  // Stable: the values of a repeated name stay in their order.
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.name < b.name; });
  HeaderBlock block;
  block.text.reserve(lines.size() * usual_line);
  block.names.reserve(lines.size() * usual_name);
  std::string_view before;
  for (const Line& line : lines) {
    if (!block.text.empty() && line.name == before) {
      block.text.back() = ',';  // joined to the line before
    } else {
      block.names.append(block.text.empty() ? "" : ";").append(line.name);
      block.text.append(line.name).append(":");
    }
    append_folded(block.text, line.value);
    block.text += '\n';
    before = line.name;
  }
  return block;
}

CanonicalRequest compose(std::string_view method, const CanonicalTarget& target,
                         std::vector<Line> lines, std::string_view payload_hash) {
  HeaderBlock block = header_block(std::move(lines));
  std::string text;
  text.reserve(method.size() + target.path.size() + target.query.size() + block.text.size() +
               block.names.size() + payload_hash.size() + 5);
  text.append(method).append("\n").append(target.path).append("\n").append(target.query);
  text.append("\n").append(block.text).append("\n").append(block.names);
  text.append("\n").append(payload_hash);
  return {std::move(text), std::move(block.names)};
}

}  // namespace

PathStyle path_style_of(std::string_view service) {
  return is_s3_family(service) ? s3_path_style : general_path_style;
}

Result<CanonicalTarget> canonical_target(std::string_view target, PathStyle style) {
  const auto mark = target.find('?');
  const std::string_view raw = target.substr(0, mark);
  if (!raw.empty() && raw[0] != '/')
    return fail(Code::invalid, "sigv4: the target must begin with /");
  CanonicalTarget result;
  if (style.encode_again) {
    // Sent as it is: `%2F` and `/`, `%2B` and `+` differ for such servers.  What they receive gets
    // the second layer, on their side as here.
    result.sent = style.normalize ? without_dots(raw) : std::string(raw.empty() ? "/" : raw);
    TRY(percent_decode(result.sent));
    result.path = percent_encode(result.sent, Slash::keep);
  } else {
    TRY_ASSIGN(result.path, single_encoding(raw.empty() ? "/" : raw));
    result.sent = result.path;
  }
  TRY_ASSIGN(const Query query, canonical_query(target));
  result.query = query.canonical;
  if (!query.sent.empty()) result.sent += "?" + query.sent;
  return result;
}

CanonicalRequest canonical_request(std::string_view method, const CanonicalTarget& target,
                                   const Headers& headers, std::string_view payload_hash) {
  std::vector<Line> lines;
  lines.reserve(headers.size());
  for (const Header& header : headers) lines.push_back({lower(header.name), header.value});
  return compose(method, target, std::move(lines), payload_hash);
}

CanonicalRequest canonical_request_of(const RequestHead& head, const CanonicalTarget& target,
                                      std::string_view payload_hash) {
  std::vector<Line> lines;
  lines.reserve(head.headers.size());
  for (const Header& header : head.headers) {
    std::string name = lower(header.name);
    if (is_signed_header(name)) lines.push_back({std::move(name), header.value});
  }
  return compose(head.method, target, std::move(lines), payload_hash);
}

}  // namespace keyward::netproxy
