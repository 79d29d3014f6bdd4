#pragma once
// TOML files by toml++, made safe for input that trips over one of its assertions (version 3.3: a
// table header that begins with a character of no key): that is an error like any other.

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keyward {
struct TomlAssertion {};
}  // namespace keyward

#define TOML_EXCEPTIONS 1
#define TOML_ASSERT(expression)                        \
  do {                                                 \
    if (!(expression)) throw keyward::TomlAssertion{}; \
  } while (false)
// Where the library promises not to throw, a failed assertion ends the program, as assert() would.
#pragma GCC diagnostic push
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wterminate"
#endif
#include <toml++/toml.h>
#pragma GCC diagnostic pop

namespace keyward {

inline bool trips_toml_assertion(std::string_view text) {
  try {
    (void)toml::parse(text);
  } catch (const toml::parse_error&) {
    return false;
  } catch (const TomlAssertion&) {
    return true;
  }
  return false;
}

// "PATH:LINE: not valid TOML".  What the parser says beyond that may quote the line, and the line
// may be a secret.  ASCII only: toml++ 3.3 has undefined behaviour for some other characters.
inline Result<toml::table> parse_toml(std::string_view text, const std::string& path) {
  std::size_t line = 1;
  for (const char c : text) {
    line += c == '\n' ? 1 : 0;
    if (static_cast<unsigned char>(c) > 0x7f)
      return fail(Code::invalid,
                  path + ":" + std::to_string(line) + ": only ASCII characters are read here");
  }
  line = 1;
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    line = error.source().begin.line;
  } catch (
      const TomlAssertion&) {  // it does not say where: the first lines that do so, too, end there
    for (auto end = text.find('\n'); end != std::string_view::npos;
         end = text.find('\n', end + 1)) {
      if (trips_toml_assertion(text.substr(0, end))) break;
      ++line;
    }
  }
  return fail(Code::invalid, path + ":" + std::to_string(line) + ": not valid TOML");
}

}  // namespace keyward
