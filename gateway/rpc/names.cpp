#include "gateway/rpc/names.hpp"

#include <algorithm>
#include <string>

#include "base/bytes.hpp"
#include "base/environment.hpp"

namespace keyward::gateway {
namespace {

constexpr std::size_t label_limit = 63, variable_limit = 128, value_limit = 16'384;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }

}  // namespace

Result<> check_name(std::string_view kind, std::string_view name) {
  const bool label = !name.empty() && name.size() <= label_limit && name.front() != '-' &&
                     name.back() != '-' && std::all_of(name.begin(), name.end(), [](char c) {
                       return is_lower(c) || is_digit(c) || c == '-';
                     });
  if (label) return {};
  return fail(Code::invalid,
              std::string(kind) +
                  " name: lower-case letters, digits and inner hyphens, 1 to 63 characters");
}

Result<> check_variable(std::string_view name) {
  const bool well_formed =
      !name.empty() && name.size() <= variable_limit && !is_digit(name.front()) &&
      std::all_of(name.begin(), name.end(),
                  [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
  if (!well_formed)
    return fail(Code::invalid, "a variable name has letters, digits and underscores only");
  if (is_reserved_variable(name))
    return fail(Code::invalid, std::string(name) + " may not come from a provider");
  return {};
}

Result<> check_value(std::string_view name, std::string_view value) {
  if (value.empty()) return fail(Code::invalid, std::string(name) + ": the value is empty");
  if (value.size() > value_limit)
    return fail(Code::invalid, std::string(name) + ": the value is longer than 16 KiB");
  if (std::any_of(value.begin(), value.end(), is_control))
    return fail(Code::invalid, std::string(name) + ": the value has control characters");
  return {};
}

}  // namespace keyward::gateway
