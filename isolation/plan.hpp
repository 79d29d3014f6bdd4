#pragma once
// The mount plan: which directories of the sandbox's view are covered, private or writable.  Pure:
// paths in, decisions out.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "isolation/mountinfo.hpp"

namespace keyward::isolation {

// A secret as it was found on disk, symbolic links resolved.
struct FoundSecret {
  std::string path;
  bool is_directory = false;
};

struct MountPlan {
  std::vector<FoundSecret> secrets;
  std::vector<std::string> covered;  // directories that become empty and inaccessible
  std::vector<std::string> tmpfs;    // private writable tmpfs: /tmp, /run, home
};

// Directories that a sandboxed program needs and others write to: a secret directly in one of them
// cannot be covered.
bool is_shared_directory(std::string_view directory);

// Refuses a secret in a shared directory, or one that another mount shows too; what lies below a
// private tmpfs is hidden by it already.
Result<MountPlan> make_mount_plan(const std::vector<FoundSecret>& secrets, const std::string& home,
                                  const std::vector<MountEntry>& mounts);

}  // namespace keyward::isolation
