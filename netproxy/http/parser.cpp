#include "netproxy/http/parser.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/bytes.hpp"

namespace keyward::netproxy {
namespace {

// tchar of RFC 9110 section 5.6.2.
constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (const char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'})
    table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> token_table = make_token_table();

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return token_table[static_cast<unsigned char>(c)];
  });
}

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

bool is_target(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f;
  });
}

Result<int> minor_version(std::string_view text) {
  if (text == "HTTP/1.1") return 1;
  if (text == "HTTP/1.0") return 0;
  return fail(Code::unsupported, "http: only HTTP/1.1 and HTTP/1.0 are served here");
}

// Takes the next line off `text`; lines end with CRLF and hold neither CR nor LF.
Result<std::string_view> take_line(std::string_view& text) {
  const auto end = text.find("\r\n");
  const std::string_view line = text.substr(0, end);
  if (end == std::string_view::npos ||
      line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
    return fail(Code::invalid, "http: a line must end with CRLF and hold no other CR, LF or NUL");
  text.remove_prefix(end + 2);
  return line;
}

Result<Headers> parse_headers(std::string_view text) {
  Headers headers;
  headers.reserve(16);
  for (;;) {
    TRY_ASSIGN(const std::string_view line, take_line(text));
    if (line.empty()) break;
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
      return fail(Code::invalid,
                  "http: malformed header name, blank before the colon, or a folded line");
    const std::string_view value = trim(line.substr(colon + 1));
    if (!is_field_value(value))
      return fail(Code::invalid, "http: control character in a header value");
    if (headers.size() == max_headers) return fail(Code::invalid, "http: too many headers");
    headers.push_back({std::string(line.substr(0, colon)), std::string(value)});
  }
  if (!text.empty()) return fail(Code::invalid, "http: bytes after the head");
  return headers;
}

// The members of a comma-separated list, trimmed.
template <class Visit>
void for_each_member(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    visit(trim(list.substr(0, comma)));
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

bool lists(const Headers& headers, std::string_view name, std::string_view member) {
  bool found = false;
  for (const Header& header : headers)
    if (equals_ignoring_case(header.name, name))
      for_each_member(header.value, [&](std::string_view word) {
        found = found || equals_ignoring_case(word, member);
      });
  return found;
}

// RFC 9112 section 6.3; whatever could be read in two ways is an error.
struct BodyFraming {
  Framing framing = Framing::none;
  std::uint64_t length = 0;
  bool announced = false;
};
Result<BodyFraming> body_framing(const Headers& headers, int minor) {
  const std::size_t codings = count_headers(headers, "transfer-encoding"),
                    lengths = count_headers(headers, "content-length");
  BodyFraming body;
  if (codings > 0) {
    if (codings > 1 || lengths > 0 || minor == 0 ||
        !equals_ignoring_case(*find_header(headers, "transfer-encoding"), "chunked"))
      return fail(
          Code::invalid,
          "http: Transfer-Encoding must be a single chunked, without Content-Length, on HTTP/1.1");
    return BodyFraming{Framing::chunked, 0, true};
  }
  if (lengths == 0) return body;
  if (lengths > 1) return fail(Code::invalid, "http: more than one Content-Length");
  const std::string& text = *find_header(headers, "content-length");
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), body.length);
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos ||
      error != std::errc() || end != text.data() + text.size())
    return fail(Code::invalid, "http: Content-Length is not a number");
  body.framing = body.length > 0 ? Framing::length : Framing::none;
  body.announced = true;
  return body;
}

bool stays_open(const Headers& headers, int minor) {
  for (const char* name : {"connection", "proxy-connection"}) {
    if (lists(headers, name, "close")) return false;
    if (minor == 0 && lists(headers, name, "keep-alive")) return true;
  }
  return minor == 1;
}

// A Connection field that names these would make them disappear for the next hop (request
// smuggling).
Result<> check_connection(const Headers& headers) {
  for (const char* name : {"host", "content-length", "transfer-encoding", "authorization"})
    if (lists(headers, "connection", name))
      return fail(Code::invalid, std::string("http: Connection must not name ") + name);
  return {};
}

}  // namespace

std::size_t find_head_end(std::string_view buffer) {
  const auto at = buffer.find("\r\n\r\n");
  return at == std::string_view::npos ? at : at + 4;
}

Result<RequestHead> parse_request_head(std::string_view text) {
  TRY_ASSIGN(const std::string_view line, take_line(text));
  const auto first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return fail(Code::invalid, "http: malformed request line");
  RequestHead head;
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  if (!is_token(head.method) || !is_target(head.target))
    return fail(Code::invalid, "http: malformed method or target");
  TRY_ASSIGN(head.minor, minor_version(line.substr(last + 1)));
  TRY_ASSIGN(head.headers, parse_headers(text));
  const std::size_t hosts = count_headers(head.headers, "host");
  if (hosts > 1 || (hosts == 0 && head.minor == 1))
    return fail(Code::invalid, "http: exactly one Host header is needed");
  TRY(check_connection(head.headers));
  TRY_ASSIGN(const BodyFraming body, body_framing(head.headers, head.minor));
  head.framing = body.framing;
  head.content_length = body.length;
  head.keep_alive = stays_open(head.headers, head.minor);
  if (const std::string* expect = find_header(head.headers, "expect")) {
    if (!equals_ignoring_case(*expect, "100-continue"))
      return fail(Code::unsupported, "http: Expect must be 100-continue");
    head.expects_continue = head.minor == 1 && head.framing != Framing::none;
  }
  return head;
}

Result<ResponseHead> parse_response_head(std::string_view text, std::string_view method) {
  TRY_ASSIGN(const std::string_view line, take_line(text));
  ResponseHead head;
  if (line.size() < 12 || line[8] != ' ' || (line.size() > 12 && line[12] != ' '))
    return fail(Code::invalid, "http: malformed status line");
  TRY_ASSIGN(head.minor, minor_version(line.substr(0, 8)));
  const auto [end, error] = std::from_chars(line.data() + 9, line.data() + 12, head.status);
  if (error != std::errc() || end != line.data() + 12 || head.status < 100 || head.status > 599)
    return fail(Code::invalid, "http: malformed status");
  if (line.size() > 13) head.reason = line.substr(13);
  if (!is_field_value(head.reason))
    return fail(Code::invalid, "http: control character in the reason");
  TRY_ASSIGN(head.headers, parse_headers(text));
  head.keep_alive = stays_open(head.headers, head.minor);
  const bool bodiless =
      head.status < 200 || head.status == 204 || head.status == 304 || method == "HEAD";
  TRY_ASSIGN(const BodyFraming body, body_framing(head.headers, head.minor));
  if (bodiless) return head;
  head.framing = body.announced ? body.framing : Framing::until_close;
  head.content_length = body.length;
  if (head.framing == Framing::until_close) head.keep_alive = false;
  return head;
}

void remove_hop_by_hop(Headers& headers) {
  std::vector<std::string> named = {
      "connection",         "keep-alive", "proxy-connection",          "proxy-authorization",
      "proxy-authenticate", "te",         "proxy-authentication-info", "upgrade"};
  for (const Header& header : headers)
    if (equals_ignoring_case(header.name, "connection"))
      for_each_member(header.value, [&](std::string_view word) { named.push_back(lower(word)); });
  std::erase_if(headers, [&](const Header& header) {
    return std::any_of(named.begin(), named.end(), [&](const std::string& name) {
      return equals_ignoring_case(header.name, name);
    });
  });
}

namespace {
void append_headers(std::string& text, const Headers& headers) {
  for (const Header& header : headers)
    text.append(header.name).append(": ").append(header.value).append("\r\n");
  text += "\r\n";
}
}  // namespace

std::string serialize(const RequestHead& head) {
  std::string text;
  text.reserve(1024);
  text.append(head.method).append(" ").append(head.target).append(" HTTP/1.1\r\n");
  append_headers(text, head.headers);
  return text;
}

std::string serialize(const ResponseHead& head) {
  std::string text;
  text.reserve(512);
  text.append("HTTP/1.1 ")
      .append(std::to_string(head.status))
      .append(" ")
      .append(head.reason)
      .append("\r\n");
  append_headers(text, head.headers);
  return text;
}

Result<Authority> parse_authority(std::string_view text) {
  Authority authority;
  const auto colon = text.ends_with(']') ? std::string_view::npos : text.rfind(':');
  authority.host = text.substr(0, colon);
  if (authority.host.empty() || authority.host.find('@') != std::string::npos)
    return fail(Code::invalid, "http: malformed authority");
  if (colon == std::string_view::npos) return authority;
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), authority.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size() ||
      authority.port == 0)
    return fail(Code::invalid, "http: malformed port");
  return authority;
}

Result<AbsoluteTarget> parse_absolute_target(std::string_view target) {
  constexpr std::string_view scheme = "http://";
  if (target.size() < scheme.size() ||
      !equals_ignoring_case(target.substr(0, scheme.size()), scheme))
    return fail(Code::invalid,
                "http: the target must be http://HOST/…; https goes through CONNECT");
  target.remove_prefix(scheme.size());
  const auto end = target.find_first_of("/?");
  AbsoluteTarget absolute;
  TRY_ASSIGN(absolute.authority, parse_authority(target.substr(0, end)));
  const std::string_view rest = end == std::string_view::npos ? "" : target.substr(end);
  absolute.origin_form = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
  return absolute;
}

}  // namespace keyward::netproxy
