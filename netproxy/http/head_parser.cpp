#include "netproxy/http/head_parser.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/bytes.hpp"
#include "netproxy/http/fields.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::array<bool, 256> token_table = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~"))
    table[static_cast<unsigned char>(c)] = true;
  return table;
}();

bool is_field_byte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

bool is_target_byte(char c) { return c > 0x20 && c < 0x7f && c != '#'; }

// Cuts one CRLF-terminated line off the front.
Result<std::string_view> take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos || end == 0 || rest[end - 1] != '\r')
    return fail(Code::invalid, "http: a line does not end with CRLF");
  const std::string_view line = rest.substr(0, end - 1);
  rest.remove_prefix(end + 1);
  return line;
}

Result<int> parse_version(std::string_view text) {
  if (text == "HTTP/1.1") return 1;
  if (text == "HTTP/1.0") return 0;
  if (text.starts_with("HTTP/"))
    return fail(Code::unsupported, "http: only HTTP/1.0 and HTTP/1.1 are served");
  return fail(Code::invalid, "http: malformed protocol version");
}

Result<Headers> parse_fields(std::string_view rest) {
  Headers headers;
  headers.reserve(16);
  for (;;) {
    TRY_ASSIGN(const std::string_view line, take_line(rest));
    if (line.empty()) break;
    if (headers.size() == max_header_lines)
      return fail(Code::invalid, "http: too many header lines");
    TRY_ASSIGN(Header header, parse_field_line(line));
    headers.push_back(std::move(header));
  }
  if (!rest.empty()) return fail(Code::invalid, "http: bytes after the head");
  return headers;
}

struct Lengths {
  bool chunked = false;
  std::optional<std::uint64_t> content_length;
};

Result<std::uint64_t> parse_length(std::string_view text) {
  std::uint64_t value = 0;
  const bool digits =
      !text.empty() && text.size() <= 18 &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) return fail(Code::invalid, "http: Content-Length is no number");
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// RFC 9112 section 6.1 and 6.3: any doubt about where a message ends is an attack.
Result<Lengths> parse_lengths(const Headers& headers, int minor) {
  Lengths lengths;
  const std::size_t codings = count_headers(headers, "transfer-encoding");
  const std::size_t sizes = count_headers(headers, "content-length");
  if (codings > 0 && sizes > 0)
    return fail(Code::invalid, "http: Transfer-Encoding and Content-Length together");
  if (sizes > 1) return fail(Code::invalid, "http: more than one Content-Length");
  if (codings > 0) {
    if (minor == 0) return fail(Code::invalid, "http: Transfer-Encoding in HTTP/1.0");
    if (codings > 1) return fail(Code::invalid, "http: more than one Transfer-Encoding");
    if (!equals_ignoring_case(*find_header(headers, "transfer-encoding"), "chunked"))
      return fail(Code::unsupported, "http: the only transfer coding served is chunked");
    lengths.chunked = true;
  }
  if (sizes == 1) {
    TRY_ASSIGN(lengths.content_length, parse_length(*find_header(headers, "content-length")));
  }
  return lengths;
}

Result<bool> parse_keep_alive(const Headers& headers, int minor) {
  bool keep_alive = minor == 1, close = false;
  for (const std::string_view option : list_tokens(headers, "connection")) {
    for (const std::string_view framing : {"host", "content-length", "transfer-encoding"})
      if (equals_ignoring_case(option, framing))
        return fail(Code::invalid, "http: Connection names a header that frames the message");
    if (equals_ignoring_case(option, "keep-alive")) keep_alive = true;
    if (equals_ignoring_case(option, "close")) close = true;
  }
  return keep_alive && !close;
}

Result<> parse_request_line(std::string_view line, RequestHead& head) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return fail(Code::invalid, "http: malformed request line");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  if (!is_token(method) || method.size() > 32) return fail(Code::invalid, "http: malformed method");
  if (target.empty() || !std::all_of(target.begin(), target.end(), is_target_byte))
    return fail(Code::invalid, "http: malformed request target");
  TRY_ASSIGN(head.minor, parse_version(line.substr(second + 1)));
  head.method = method;
  head.target = target;
  return {};
}

Result<> check_host(const RequestHead& head) {
  const std::size_t hosts = count_headers(head.headers, "host");
  if (hosts > 1) return fail(Code::invalid, "http: more than one Host");
  if (hosts == 0 && head.minor == 1) return fail(Code::invalid, "http: Host is missing");
  return {};
}

Result<> read_expectation(RequestHead& head) {
  const std::string* expect = find_header(head.headers, "expect");
  if (expect == nullptr) return {};
  if (count_headers(head.headers, "expect") > 1 || !equals_ignoring_case(*expect, "100-continue"))
    return fail(Code::invalid, "http: the only expectation served is 100-continue");
  head.expects_continue = head.minor == 1;  // RFC 9110 section 10.1.1
  return {};
}

Result<> parse_status_line(std::string_view line, ResponseHead& head) {
  if (line.size() < 12 || line[8] != ' ') return fail(Code::invalid, "http: malformed status line");
  TRY_ASSIGN(head.minor, parse_version(line.substr(0, 8)));
  for (const char c : line.substr(9, 3)) {
    if (c < '0' || c > '9') return fail(Code::invalid, "http: malformed status");
    head.status = head.status * 10 + (c - '0');
  }
  if (head.status < 100) return fail(Code::invalid, "http: malformed status");
  const std::string_view rest = line.substr(12);
  if (!rest.empty() && rest[0] != ' ') return fail(Code::invalid, "http: malformed status line");
  if (!std::all_of(rest.begin(), rest.end(), is_field_byte))
    return fail(Code::invalid, "http: control byte in the reason phrase");
  head.reason = rest.empty() ? rest : rest.substr(1);
  return {};
}

}  // namespace

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return token_table[static_cast<unsigned char>(c)];
  });
}

Result<Header> parse_field_line(std::string_view line) {
  if (line[0] == ' ' || line[0] == '\t') return fail(Code::invalid, "http: folded header line");
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos)
    return fail(Code::invalid, "http: header line without colon");
  const std::string_view name = line.substr(0, colon);
  if (!is_token(name)) return fail(Code::invalid, "http: malformed header name");
  const std::string_view value = line.substr(colon + 1);
  if (!std::all_of(value.begin(), value.end(), is_field_byte))
    return fail(Code::invalid, "http: control byte in a header value");
  return Header{std::string(name), std::string(trim(value))};
}

std::size_t head_length(std::string_view bytes, std::size_t from) {
  // The end may have begun up to three bytes before what is new.
  std::size_t at = bytes.find('\n', from > 3 ? from - 3 : 0);
  for (; at != std::string_view::npos; at = bytes.find('\n', at + 1)) {
    const std::string_view next = bytes.substr(at + 1, 2);
    if (next.starts_with('\n')) return at + 2;
    if (next == "\r\n") return at + 3;
  }
  return 0;
}

Result<RequestHead> parse_request_head(std::string_view text) {
  RequestHead head;
  TRY_ASSIGN(const std::string_view line, take_line(text));
  TRY(parse_request_line(line, head));
  TRY_ASSIGN(head.headers, parse_fields(text));
  TRY(check_host(head));
  TRY_ASSIGN(head.keep_alive, parse_keep_alive(head.headers, head.minor));
  TRY_ASSIGN(const Lengths lengths, parse_lengths(head.headers, head.minor));
  if (lengths.chunked) head.framing = Framing::chunked;
  if (lengths.content_length.value_or(0) > 0) head.framing = Framing::length;
  head.content_length = lengths.content_length.value_or(0);
  if (head.method == "CONNECT" && head.framing != Framing::none)
    return fail(Code::invalid, "http: CONNECT with a body");
  TRY(read_expectation(head));
  return head;
}

Result<ResponseHead> parse_response_head(std::string_view text, std::string_view method) {
  ResponseHead head;
  TRY_ASSIGN(const std::string_view line, take_line(text));
  TRY(parse_status_line(line, head));
  TRY_ASSIGN(head.headers, parse_fields(text));
  TRY_ASSIGN(head.keep_alive, parse_keep_alive(head.headers, head.minor));
  TRY_ASSIGN(const Lengths lengths, parse_lengths(head.headers, head.minor));
  head.content_length = lengths.content_length.value_or(0);
  // RFC 9112 section 6.3, items 1 and 2: these end with their head whatever it says.
  if (method == "HEAD" || head.status < 200 || head.status == 204 || head.status == 304)
    return head;
  head.framing = Framing::until_close;
  if (lengths.chunked) head.framing = Framing::chunked;
  if (lengths.content_length)
    head.framing = *lengths.content_length > 0 ? Framing::length : Framing::none;
  if (head.framing == Framing::until_close) head.keep_alive = false;
  return head;
}

}  // namespace keyward::netproxy
