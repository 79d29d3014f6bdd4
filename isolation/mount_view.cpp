#include "isolation/mount_view.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/file.hpp"
#include "base/unique_fd.hpp"
#include "isolation/hidden.hpp"

namespace keyward::isolation {
namespace {

// The copy of `/` is mounted here first; the directory's own content is below it and out of the
// way.
constexpr const char* staging = "/tmp";
constexpr unsigned long harmless = MS_NOSUID | MS_NODEV;

tl::unexpected<Error> fail_mount(const std::string& what) {
  return fail_errno(
      "mount view: " + what +
      (errno == EPERM || errno == EACCES
           ? " (needs CAP_SYS_ADMIN and a profile that allows mount: --cap-add SYS_ADMIN, "
             "apparmor=unconfined)"
           : ""));
}

Result<> mount_tmpfs(const std::string& where, unsigned long flags, const char* options) {
  if (::mount("tmpfs", where.c_str(), "tmpfs", flags, options) != 0)
    return fail_mount("tmpfs on " + where);
  return {};
}

Result<> bind_mount(const std::string& from, const std::string& to) {
  if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr) != 0)
    return fail_mount("bind " + from);
  return {};
}

// A remount must repeat the flags that are there, or the kernel refuses it in a user namespace.
unsigned long flags_of(const std::string& options) {
  const std::array<std::pair<const char*, unsigned long>, 5> names = {
      {{"nosuid", MS_NOSUID},
       {"nodev", MS_NODEV},
       {"noexec", MS_NOEXEC},
       {"noatime", MS_NOATIME},
       {"nodiratime", MS_NODIRATIME}}};
  unsigned long flags = 0;
  for (const auto& [name, flag] : names)
    if (("," + options + ",").find("," + std::string(name) + ",") != std::string::npos)
      flags |= flag;
  return flags;
}

Result<> remount_read_only(const std::string& where, unsigned long flags) {
  if (::mount(nullptr, where.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | harmless | flags,
              nullptr) != 0)
    return fail_mount("read-only " + where);
  return {};
}

Result<> copy_root_read_only() {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return fail_mount("make / private");
  if (::mount("/", staging, nullptr, MS_BIND | MS_REC, nullptr) != 0) return fail_mount("copy /");
  TRY_ASSIGN(const auto mounts, read_mountinfo());
  for (const MountEntry& mount : mounts)
    if (is_below(mount.point, staging))
      TRY(remount_read_only(mount.point, flags_of(mount.options)));
  return {};
}

// Covers one directory.  O_NOFOLLOW on every component: what was planned is what is covered.
Result<> cover(const std::string& directory) {
  struct {
    std::uint64_t flags = O_PATH | O_DIRECTORY | O_CLOEXEC, mode = 0,
                  resolve = 0x04 /* RESOLVE_NO_SYMLINKS */;
  } how;
  const std::string path = staging + directory;
  const UniqueFd fd(
      static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  if (!fd) return fail_errno("hide " + directory);
  // Not size=0: tmpfs reads zero as "unlimited".
  return mount_tmpfs("/proc/self/fd/" + std::to_string(fd.get()), harmless | MS_NOEXEC | MS_RDONLY,
                     "size=4k,nr_inodes=2,mode=000");
}

Result<> make_devices(const std::string& dev) {
  TRY(mount_tmpfs(dev, MS_NOSUID | MS_NOEXEC, "size=64k,mode=755"));
  for (const char* name : {"null", "zero", "full", "random", "urandom", "tty"}) {
    const std::string node = dev + "/" + name;
    const UniqueFd placeholder(::open(node.c_str(), O_CREAT | O_CLOEXEC | O_RDONLY, 0666));
    if (!placeholder) return fail_mount(node);
    TRY(bind_mount(std::string("/dev/") + name, node));
  }
  for (const auto& [name, mode] : {std::pair{"pts", 0755}, std::pair{"shm", 01777}})
    if (::mkdir((dev + "/" + name).c_str(), static_cast<mode_t>(mode)) != 0)
      return fail_mount(dev + "/" + name);
  if (::mount("devpts", (dev + "/pts").c_str(), "devpts", MS_NOSUID | MS_NOEXEC,
              "newinstance,ptmxmode=0666,mode=620") != 0)
    return fail_mount("devpts");
  TRY(mount_tmpfs(dev + "/shm", harmless | MS_NOEXEC, "mode=1777"));
  for (const auto& [target, name] :
       {std::pair{"pts/ptmx", "ptmx"}, std::pair{"/proc/self/fd", "fd"},
        std::pair{"/proc/self/fd/0", "stdin"}, std::pair{"/proc/self/fd/1", "stdout"},
        std::pair{"/proc/self/fd/2", "stderr"}})
    if (::symlink(target, (dev + "/" + name).c_str()) != 0) return fail_mount(dev + "/" + name);
  return remount_read_only(dev, MS_NOEXEC);
}

Result<> mask(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return {};  // this kernel does not have it
  if (S_ISDIR(status.st_mode))
    return mount_tmpfs(path, harmless | MS_NOEXEC | MS_RDONLY, "size=4k,nr_inodes=2,mode=555");
  return bind_mount("/dev/null", path);
}

Result<> make_proc(const std::string& proc) {
  const char* options = "hidepid=invisible";  // other users' processes do not exist
  if (::mount("proc", proc.c_str(), "proc", harmless | MS_NOEXEC, options) != 0) {
    if (errno != EPERM) return fail_mount("proc");
    return fail(Code::denied,
                "mount view: a fresh /proc is refused, because parts of the outer one are masked: "
                "Operation not "
                "permitted (Docker: --security-opt systempaths=unconfined; Podman: unmask=ALL; or "
                "--level standard)");
  }
  for (const char* name : {"sys", "irq", "bus", "fs"}) {
    const std::string path = proc + "/" + name;
    if (::access(path.c_str(), F_OK) != 0) continue;
    TRY(bind_mount(path, path));
    TRY(remount_read_only(path, MS_NOEXEC));
  }
  for (const char* name : {"kcore", "keys", "key-users", "kmsg", "timer_list", "sched_debug",
                           "sysrq-trigger", "latency_stats", "kallsyms", "acpi", "scsi"})
    TRY(mask(proc + "/" + name));
  return {};
}

Result<> make_home(const ViewSpec& view) {
  const std::string path = staging + view.user.home;
  if (is_below(view.user.home, "/tmp") && ::mkdir(path.c_str(), 0700) != 0) return fail_mount(path);
  if (::chown(path.c_str(), view.user.uid, view.user.gid) != 0) return fail_mount("chown " + path);
  return {};
}

// pivot_root(".", ".") puts the old root on top of the new one, from where it is detached
// (pivot_root(2), NOTES).
Result<std::string> swap_root() {
  if (::chdir(staging) != 0) return fail_mount("enter the copy");
  if (::syscall(SYS_pivot_root, ".", ".") == 0) {
    if (::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0)
      return fail_mount("detach the old root");
    return std::string("pivot_root");
  }
  // Docker's default profile refuses pivot_root even with CAP_SYS_ADMIN.
  if (errno != EPERM) return fail_mount("pivot_root");
  if (::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || ::chroot(".") != 0 || ::chdir("/") != 0)
    return fail_mount("move the root");
  return std::string("move_and_chroot");
}

}  // namespace

Result<std::map<std::string, std::string>> enter_view(const ViewSpec& view) {
  TRY(copy_root_read_only());
  TRY(make_proc(std::string(staging) + "/proc"));
  TRY(make_devices(std::string(staging) + "/dev"));
  for (const std::string& directory : view.plan.covered) TRY(cover(directory));
  for (const std::string& directory : view.plan.tmpfs) {
    const char* mode = directory == "/tmp"   ? "mode=1777"
                       : directory == "/run" ? "mode=755"
                                             : "mode=700";
    TRY(mount_tmpfs(staging + directory, harmless, mode));
  }
  TRY(make_home(view));
  if (!view.files_directory.empty())
    TRY(mount_tmpfs(staging + view.files_directory, harmless | MS_NOEXEC, "size=16m,mode=755"));
  TRY_ASSIGN(const std::string how, swap_root());
  return std::map<std::string, std::string>{{"root", how}, {"proc", "own"}};
}

Result<> verify_view(const ViewSpec& view) {
  TRY(verify_hidden(view.plan.secrets));
  TRY_ASSIGN(const auto mounts, read_mountinfo());
  for (const MountEntry& mount : mounts)
    if (mount.point == "/" && ("," + mount.options + ",").find(",ro,") == std::string::npos)
      return fail(Code::internal, "self-test: the root is not read-only");
  std::array<char, 4096> here{};
  if (::getcwd(here.data(), here.size()) == nullptr || std::string_view(here.data()) != "/")
    return fail(Code::internal, "self-test: the working directory is outside the view");
  return {};
}

Result<> seal_files(const std::string& directory, const std::map<std::string, std::string>& files) {
  for (const auto& [path, content] : files) {
    if (directory.empty() || !is_below(path, directory))
      return fail(Code::invalid, "files: " + path + " is outside " + directory);
    TRY(create_file(path, content, 0444));
  }
  if (directory.empty()) return {};
  return remount_read_only(directory, MS_NOEXEC);
}

Result<> make_writable(const std::string& path) {
  // Recursive, so that what is covered below stays covered; only the top becomes writable.
  if (::mount(path.c_str(), path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
    return fail_mount("writable " + path);
  if (::mount(nullptr, path.c_str(), nullptr, MS_REMOUNT | MS_BIND | harmless, nullptr) != 0)
    return fail_mount("writable " + path);
  return {};
}

}  // namespace keyward::isolation
