#pragma once
// All token grants of one sandbox, and the places that are closed because a grant for them cannot
// be used.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "identity/grant/binding.hpp"

namespace keyward::identity {

// A request there would go out without the token that its operator meant for it.
struct RefusedGrant {
  std::optional<Selector> where;  // none: nobody can tell, so it is everywhere
  std::string why;
};

struct SandboxGrants {
  BindingTable table;
  std::vector<RefusedGrant> refused;
};

// Does any grant give keys to sign with?
inline bool gives_keys(const SandboxGrants& grants) {
  const auto& bindings = grants.table.bindings();
  return std::any_of(bindings.begin(), bindings.end(),
                     [](const GrantBinding& binding) { return gives_keys(binding.grant); });
}

}  // namespace keyward::identity
