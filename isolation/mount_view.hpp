#pragma once
// The sandbox's own view of the file system: a read-only recursive copy of `/` with private tmpfs,
// a minimal /dev, the PID namespace's own /proc, and every secret's directory covered.  Called in a
// fresh mount namespace, as PID 1 of a fresh PID namespace; afterwards the old root cannot be
// reached.

#include <map>
#include <string>

#include "base/result.hpp"
#include "isolation/plan.hpp"
#include "isolation/users.hpp"

namespace keyward::isolation {

struct ViewSpec {
  MountPlan plan;
  User user;
  std::string files_directory;  // gets an empty tmpfs for seal_files; empty = none
};

// Returns what was done, for the evidence: "root" → "pivot_root" or "move_and_chroot".
Result<std::map<std::string, std::string>> enter_view(const ViewSpec& view);

// Looks from inside: nothing hidden can be reached, and no path of the old root is left.
Result<> verify_view(const ViewSpec& view);

// Writes root-owned, world-readable files into files_directory and makes it read-only.
Result<> seal_files(const std::string& directory, const std::map<std::string, std::string>& files);

// Makes an existing directory of the view writable again (the policy's read_write paths).
Result<> make_writable(const std::string& path);

}  // namespace keyward::isolation
