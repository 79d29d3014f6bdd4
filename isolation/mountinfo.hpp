#pragma once
// /proc/self/mountinfo as values (proc_pid_mountinfo(5)), and what can be said from it without
// touching anything.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keyward::isolation {

struct MountEntry {
  std::string device;   // "major:minor"
  std::string root;     // of the mount within its file system
  std::string point;    // where it is mounted
  std::string options;  // per mount: "rw,nosuid,relatime"
  std::string type;
};

// In the order of the kernel: a later entry on the same point covers an earlier one.
Result<std::vector<MountEntry>> parse_mountinfo(std::string_view text);
Result<std::vector<MountEntry>> read_mountinfo();

bool is_below(std::string_view path, std::string_view directory);  // true for the directory itself

// Other paths under which the same file or directory can be reached through another mount of its
// file system.
std::vector<std::string> aliases_of(const std::vector<MountEntry>& mounts, std::string_view path);

}  // namespace keyward::isolation
