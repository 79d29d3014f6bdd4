#include "isolation/landlock_rules.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace keyward::isolation {
namespace {

// Debian 12's header stops at ABI 2; the kernel refuses bits that it does not know, so they are
// masked by the ABI.
constexpr std::uint64_t access_truncate = 1ULL << 14;                                      // ABI 3
constexpr std::uint64_t access_ioctl_dev = 1ULL << 15;                                     // ABI 5
constexpr std::uint64_t scope_abstract_unix_socket = 1ULL << 0, scope_signal = 1ULL << 1;  // ABI 6

struct RulesetAttributes {
  std::uint64_t handled_access_fs = 0, handled_access_net = 0, scoped = 0;
};

constexpr std::uint64_t read_rights =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t file_rights = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                                      LANDLOCK_ACCESS_FS_WRITE_FILE | access_truncate |
                                      access_ioctl_dev;

std::uint64_t handled_rights(int abi) {
  std::uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;  // the 13 rights of ABI 1
  if (abi >= 2) rights |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3) rights |= access_truncate;
  if (abi >= 5) rights |= access_ioctl_dev;
  return rights;
}

Result<> allow(const UniqueFd& ruleset, const std::string& path, std::uint64_t rights) {
  const UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd && errno == ENOENT) return {};  // an image need not have every usual path
  struct stat status{};
  if (!fd || ::fstat(fd.get(), &status) != 0) return fail_errno("landlock: " + path);
  if (!S_ISDIR(status.st_mode)) rights &= file_rights;
  landlock_path_beneath_attr rule{rights, fd.get()};
  if (::syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
    return fail_errno("landlock: rule for " + path);
  return {};
}

Result<> allow_paths(const UniqueFd& ruleset, const FilesystemRules& rules,
                     const std::vector<std::string>& writable, std::uint64_t all) {
  const bool listed = !rules.read_only.empty() || !rules.read_write.empty();
  const std::vector<std::string> baseline =
      listed ? std::vector<std::string>{"/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/proc"}
             : std::vector<std::string>{"/"};
  for (const auto& path : baseline) TRY(allow(ruleset, path, read_rights & all));
  for (const auto& path : rules.read_only) TRY(allow(ruleset, path, read_rights & all));
  for (const auto& path : rules.read_write) TRY(allow(ruleset, path, all));
  for (const auto& path : writable) TRY(allow(ruleset, path, all));
  return allow(ruleset, "/proc",
               (read_rights | LANDLOCK_ACCESS_FS_WRITE_FILE | access_truncate) & all);
}

}  // namespace

Result<LandlockDomain> make_landlock_domain(const FilesystemRules& rules,
                                            const std::vector<std::string>& writable) {
  const long abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) {
    if (rules.best_effort) return LandlockDomain{};
    return fail_errno(
        "landlock: this kernel has it not or not switched on (needs Linux 5.13 and lsm=…,landlock; "
        "or let the policy "
        "say landlock: {compatibility: best_effort})");
  }
  LandlockDomain domain;
  domain.abi = static_cast<int>(abi);
  const std::uint64_t all = handled_rights(domain.abi);
  const RulesetAttributes attributes{all, 0,
                                     abi >= 6 ? scope_abstract_unix_socket | scope_signal : 0};
  const std::size_t size = abi >= 6 ? sizeof attributes : sizeof attributes.handled_access_fs;
  domain.ruleset.reset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0)));
  if (!domain.ruleset) return fail_errno("landlock: create");
  TRY(allow_paths(domain.ruleset, rules, writable, all));
  return domain;
}

Result<> enter_landlock_domain(const LandlockDomain& domain) {
  if (!domain.ruleset) return {};
  if (::syscall(SYS_landlock_restrict_self, domain.ruleset.get(), 0) != 0)
    return fail_errno("landlock: enter");
  return {};
}

}  // namespace keyward::isolation
