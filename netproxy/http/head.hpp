#pragma once
// HTTP/1.1 message heads (RFC 9112), parsed strictly: what is ambiguous is refused, and what was
// parsed is what is sent.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keyward::netproxy {

struct Header {
  std::string name;   // as received
  std::string value;  // without surrounding blanks
};

using Headers = std::vector<Header>;

// First value of a header, null when absent.  Names compare without case.
const std::string* find_header(const Headers& headers, std::string_view name);
std::size_t count_headers(const Headers& headers, std::string_view name);
void remove_header(Headers& headers, std::string_view name);
void set_header(Headers& headers, std::string_view name, std::string value);

// How the bytes after a head are delimited (RFC 9112 section 6).
enum class Framing { none, length, chunked, until_close };

struct RequestHead {
  std::string method;
  std::string target;  // as received: origin-form, absolute-form, authority-form or "*"
  int minor = 1;       // HTTP/1.<minor>
  Headers headers;
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool expects_continue = false;
};

struct ResponseHead {
  int status = 0;
  std::string reason;
  int minor = 1;
  Headers headers;
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
};

}  // namespace keyward::netproxy
