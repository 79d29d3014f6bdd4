#pragma once
// The authorities that this system trusts.

#include <string>

#include "base/result.hpp"

namespace keyward {

// PEM: the first of the usual places of Linux distributions, empty where there is none.
Result<std::string> system_trust_store();

}  // namespace keyward
