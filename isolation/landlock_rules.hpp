#pragma once
// The child's Landlock domain (landlock(7)), by the kernel's ABI: file-system rights by path, and
// from ABI 6 on no signals to and no abstract sockets of anything outside.  Network rights stay
// unused: the namespace has loopback only, and programs inside may serve one another there.

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "isolation/sandbox.hpp"

namespace keyward::isolation {

struct LandlockDomain {
  UniqueFd ruleset;  // not set: the kernel has no Landlock and the rules allow that
  int abi = 0;
};

// Opens every path now, while that is still allowed.  `writable` are the view's private
// directories.
Result<LandlockDomain> make_landlock_domain(const FilesystemRules& rules,
                                            const std::vector<std::string>& writable);

Result<> enter_landlock_domain(const LandlockDomain& domain);  // needs no_new_privs

}  // namespace keyward::isolation
