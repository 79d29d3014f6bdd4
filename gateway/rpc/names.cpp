#include "gateway/rpc/names.hpp"

#include <algorithm>
#include <string>

namespace keyward::gateway {
namespace {

constexpr std::size_t label_limit = 63, variable_limit = 128, value_limit = 16'384;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

constexpr std::string_view reserved_prefixes[] = {"OPENSHELL_", "KEYWARD_", "LD_", "SPIFFE_"};
constexpr std::string_view reserved_names[] = {"PATH", "HOME", "SHELL", "IFS", "ENV", "BASH_ENV"};

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
  const bool reserved =
      std::find(std::begin(reserved_names), std::end(reserved_names), name) !=
          std::end(reserved_names) ||
      std::any_of(std::begin(reserved_prefixes), std::end(reserved_prefixes),
                  [&](std::string_view prefix) { return name.starts_with(prefix); });
  if (reserved) return fail(Code::invalid, std::string(name) + " may not come from a provider");
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
