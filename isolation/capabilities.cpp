#include "isolation/capabilities.hpp"

#include <linux/capability.h>
#include <linux/prctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "base/file.hpp"

namespace keyward::isolation {
namespace {

constexpr int highest_capability = 63;

using Sets = std::array<__user_cap_data_struct, 2>;  // low and high 32 capabilities

Result<Sets> current_sets() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  Sets sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return fail_errno("capabilities: read");
  return sets;
}

}  // namespace

Result<> clear_bounding_set() {
  for (int capability = 0; capability <= highest_capability; ++capability) {
    const int present = ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (present < 0) return {};  // EINVAL: beyond the kernel's last one
    if (present == 1 && ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
      return fail_errno(
          "capabilities: empty the bounding set (needs CAP_SETPCAP: --cap-add SETPCAP)");
  }
  return {};
}

Result<> clear_ambient_set() {
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
    return fail_errno("capabilities: empty the ambient set");
  return {};
}

Result<> keep_capabilities(std::initializer_list<int> kept) {
  TRY_ASSIGN(const Sets current, current_sets());
  Sets wanted{};
  for (const int capability : kept) {
    const auto half = static_cast<std::size_t>(capability / 32);
    wanted.at(half).permitted |= current.at(half).permitted & (1U << (capability % 32));
    wanted.at(half).effective = wanted.at(half).permitted;
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  if (::syscall(SYS_capset, &header, wanted.data()) != 0) return fail_errno("capabilities: drop");
  return {};
}

Result<> verify_no_capabilities() {
  TRY_ASSIGN(const std::string status, read_file("/proc/thread-self/status", 65536));
  for (const char* name : {"CapInh:\t", "CapPrm:\t", "CapEff:\t", "CapBnd:\t", "CapAmb:\t"}) {
    const auto at = status.find(name);
    if (at == std::string::npos || status.compare(at + 8, 16, "0000000000000000") != 0)
      return fail(Code::internal, "capabilities: " + std::string(name, 6) + " is not empty");
  }
  return {};
}

}  // namespace keyward::isolation
