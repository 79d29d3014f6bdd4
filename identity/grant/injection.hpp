#pragma once
// The header in which a request carries a granted token.  Pure.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::identity {

struct Injection {
  std::string header = "authorization";  // lower case
  bool bearer = true;  // "Bearer TOKEN" (RFC 6750 section 2.1); else the token alone
  bool operator==(const Injection&) const = default;
};

struct InjectedHeader {
  std::string name;
  Secret value;
};

// auth_style and header_name of the wire contract: "bearer" (the default; header_name may be empty
// or authorization), or "header" with a name.  Refused: names that frame, route or mark a request
// (host, content-length, connection, cookie, forwarded …), and what is no field name (RFC 9110
// section 5.1).
Result<Injection> read_injection(std::string_view auth_style, std::string_view header_name);

// token68 (RFC 9110 section 11.2) of at most 8 KiB: nothing that could end a header.
bool is_token68(std::string_view text);

// Checks the token once more, wherever it came from.  Errors: Code::denied.
Result<InjectedHeader> write_header(const Injection& injection, const Secret& token);

}  // namespace keyward::identity
