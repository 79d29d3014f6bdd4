#include "identity/grant/injection.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "netproxy/http/head_parser.hpp"

namespace keyward::identity {
namespace {

constexpr std::size_t token_size_limit = 8192, name_limit = 64;  // bytes

constexpr std::array<std::string_view, 23> forbidden_names = {"host",
                                                              "content-length",
                                                              "transfer-encoding",
                                                              "connection",
                                                              "te",
                                                              "trailer",
                                                              "upgrade",
                                                              "keep-alive",
                                                              "proxy-authorization",
                                                              "proxy-authenticate",
                                                              "proxy-connection",
                                                              "expect",
                                                              "content-type",
                                                              "content-encoding",
                                                              "cookie",
                                                              "set-cookie",
                                                              "forwarded",
                                                              "http2-settings",
                                                              "via",
                                                              "range",
                                                              "date",
                                                              "accept-encoding",
                                                              "www-authenticate"};

// Servers read `_` as `-`, and what the client sent under either spelling is taken out: with a name
// that could be folded into one of these, that would be a field of the connection.
bool is_forbidden(std::string_view name) {
  return name.find('_') != std::string_view::npos ||
         std::find(forbidden_names.begin(), forbidden_names.end(), name) != forbidden_names.end() ||
         name.starts_with("x-forwarded-") || name.starts_with("x-amz-") ||
         name.starts_with("x-keyward-");
}

bool is_token68_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~' || c == '+' || c == '/';
}

}  // namespace

Result<Injection> read_injection(std::string_view auth_style, std::string_view header_name) {
  const std::string name = lower(header_name);
  if (auth_style.empty() || auth_style == "bearer") {
    if (!name.empty() && name != "authorization")
      return fail(Code::invalid, "auth_style bearer goes with the header authorization alone");
    return Injection{};
  }
  if (auth_style != "header")
    return fail(Code::unsupported, "auth_style of a token grant must be bearer or header");
  if (name.size() > name_limit || !netproxy::is_token(name))
    return fail(Code::invalid, "header_name is no field name");
  if (is_forbidden(name))
    return fail(Code::invalid, "header_name " + name + " is none that a token may be put into");
  return Injection{name, false};
}

bool is_token68(std::string_view text) {
  if (text.empty() || text.size() > token_size_limit) return false;
  const auto end = text.find_last_not_of('=');
  return end != std::string_view::npos &&
         std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end) + 1,
                     is_token68_character);
}

Result<InjectedHeader> write_header(const Injection& injection, const Secret& token) {
  if (!is_token68(token.reveal()))
    return fail(Code::denied, "the token has characters that no header may carry");
  InjectedHeader header{injection.header, Secret(injection.bearer ? "Bearer " : "")};
  header.value.append(token.reveal());
  return header;
}

}  // namespace keyward::identity
