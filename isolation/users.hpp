#pragma once
// Users from /etc/passwd and /etc/group by our own strict reader: no NSS, which would load what the
// image contains.

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keyward::isolation {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home;  // empty: none that is usable
};

constexpr uid_t default_uid = 59123;
constexpr const char* default_user_name = "sandbox";

// Resolves NAME|UID[:GID] (empty: `sandbox` from passwd, else 59123).  Numbers are plain decimals;
// 0 and 4294967295 are refused, and so is a name that passwd does not have.  Pure: `passwd` is the
// file's content.
Result<User> resolve_user(std::string_view spec, std::string_view passwd);

// Success when no process runs with this real, effective or saved uid.
Result<> require_unused(uid_t uid);

}  // namespace keyward::isolation
