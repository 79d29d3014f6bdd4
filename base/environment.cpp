#include "base/environment.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace keyward {
namespace {

constexpr std::string_view reserved_prefixes[] = {"OPENSHELL_", "KEYWARD_", "LD_", "SPIFFE_"};
constexpr std::string_view reserved_names[] = {"PATH", "HOME", "SHELL", "IFS", "ENV", "BASH_ENV"};

}  // namespace

SecretVariables take_secret_variables(const std::vector<std::string>& names) {
  SecretVariables taken;
  for (const std::string& name : names) {
    for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
      const std::string_view text(*entry);
      if (!text.starts_with(name) || text.size() <= name.size() || text[name.size()] != '=')
        continue;
      char* value = *entry + name.size() + 1;
      const std::size_t size = std::strlen(value);
      taken[name] = Secret(std::string_view(value, size));
      wipe(value, size);  // the block that the kernel shows, not a copy
    }
    ::unsetenv(name.c_str());
  }
  return taken;
}

EnvironmentMap environment_map() {
  EnvironmentMap variables;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals != std::string_view::npos && equals > 0)
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

bool is_reserved_variable(std::string_view name) {
  return std::find(std::begin(reserved_names), std::end(reserved_names), name) !=
             std::end(reserved_names) ||
         std::any_of(std::begin(reserved_prefixes), std::end(reserved_prefixes),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace keyward
