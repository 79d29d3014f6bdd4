#include "isolation/seccomp_filter.hpp"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "base/unique_fd.hpp"

namespace keyward::isolation {
namespace {

struct FreeContext {
  void operator()(void* context) const noexcept { ::seccomp_release(context); }
};
using ContextPtr = std::unique_ptr<void, FreeContext>;

// The arguments of most calls are int: only the low 32 bits reach the kernel, so only these may be
// compared, or a set high bit would slip through.
constexpr scmp_datum_t low_half = 0xffffffff;

scmp_arg_cmp equals(unsigned argument, scmp_datum_t value) {
  return SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, low_half, value);
}
scmp_arg_cmp has_bit(unsigned argument, scmp_datum_t bit) {
  return SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, bit, bit);
}

constexpr auto denied_to_all = std::to_array({"mount",
                                              "umount2",
                                              "pivot_root",
                                              "chroot",
                                              "fsopen",
                                              "fsconfig",
                                              "fsmount",
                                              "fspick",
                                              "move_mount",
                                              "open_tree",
                                              "mount_setattr",
                                              "setns",
                                              "unshare",
                                              "bpf",
                                              "perf_event_open",
                                              "userfaultfd",
                                              "init_module",
                                              "finit_module",
                                              "delete_module",
                                              "kexec_load",
                                              "kexec_file_load",
                                              "reboot",
                                              "swapon",
                                              "swapoff",
                                              "acct",
                                              "quotactl",
                                              "quotactl_fd",
                                              "open_by_handle_at",
                                              "name_to_handle_at",
                                              "ptrace",
                                              "process_vm_readv",
                                              "process_vm_writev",
                                              "pidfd_getfd",
                                              "kcmp",
                                              "add_key",
                                              "request_key",
                                              "keyctl",
                                              "iopl",
                                              "ioperm",
                                              "lookup_dcookie",
                                              "nfsservctl",
                                              "vhangup",
                                              "settimeofday",
                                              "clock_settime",
                                              "clock_settime64",
                                              "clock_adjtime",
                                              "adjtimex",
                                              "stime"});

constexpr auto denied_to_child = std::to_array(
    {"syslog", "personality", "modify_ldt", "sethostname", "setdomainname", "process_madvise",
     "process_mrelease", "fanotify_init", "move_pages", "migrate_pages", "mbind", "set_mempolicy"});

// Their pointer arguments or their work items escape a filter, so they look absent and programs
// fall back.
constexpr auto absent_in_child =
    std::to_array({"clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"});

constexpr auto denied_to_broker = std::to_array({"execve", "execveat"});

constexpr auto namespace_flags =
    std::to_array<scmp_datum_t>({CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
                                 CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP});

Result<> check(int code, const char* what) {
  if (code == 0) return {};
  return fail_errno(std::string("seccomp: ") + what, -code);
}

template <class Names>
Result<> deny(void* context, const Names& names, std::uint32_t action) {
  for (const char* name : names) {
    const int number = ::seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) continue;  // not a system call of this architecture
    TRY(check(::seccomp_rule_add_array(context, action, number, 0, nullptr), name));
  }
  return {};
}

Result<> deny_if(void* context, const char* name, std::initializer_list<scmp_arg_cmp> arguments) {
  return check(
      ::seccomp_rule_add_array(context, SCMP_ACT_ERRNO(EPERM), ::seccomp_syscall_resolve_name(name),
                               static_cast<unsigned>(arguments.size()), arguments.begin()),
      name);
}

// Only UNIX, INET, INET6 and NETLINK(ROUTE) sockets, only stream, datagram and (UNIX) seqpacket
// types, only TCP and UDP: raw, packet, ALG, VSOCK, MPTCP, SCTP and ICMP sockets reach kernel code
// that no sandboxed program needs.
Result<> restrict_sockets(void* context) {
  for (const char* name : {"socket", "socketpair"})
    for (scmp_datum_t family = 0; family < AF_MAX; ++family)
      if (family != AF_UNIX && family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
        TRY(deny_if(context, name, {equals(0, family)}));
  for (const char* name : {"socket", "socketpair"})
    TRY(deny_if(context, name, {SCMP_CMP64(0, SCMP_CMP_GE, AF_MAX)}));
  for (const scmp_datum_t family : {AF_INET, AF_INET6}) {
    for (const scmp_datum_t type : {SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, SOCK_DCCP, SOCK_PACKET})
      TRY(deny_if(context, "socket",
                  {equals(0, family), SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, 0xf, type)}));
    for (scmp_datum_t bit = 0; bit < 32;
         ++bit)  // protocols: 0, 6 (TCP) and 17 (UDP) are combinations of bits 0, 1, 2, 4
      if (bit != 0 && bit != 1 && bit != 2 && bit != 4)
        TRY(deny_if(context, "socket", {equals(0, family), has_bit(2, scmp_datum_t{1} << bit)}));
    for (const scmp_datum_t low : {1, 2, 3, 4, 5, 7, 16, 18, 19, 20, 21, 22, 23})
      TRY(deny_if(context, "socket", {equals(0, family), equals(2, low)}));
  }
  for (scmp_datum_t bit = 0; bit < 32; ++bit)  // NETLINK_ROUTE is 0
    TRY(deny_if(context, "socket", {equals(0, AF_NETLINK), has_bit(2, scmp_datum_t{1} << bit)}));
  for (const auto& [name, argument] : {std::pair{"sendto", 3U}, {"sendmsg", 2U}, {"sendmmsg", 3U}})
    TRY(deny_if(context, name, {has_bit(argument, MSG_FASTOPEN)}));
  return {};
}

Result<> restrict_the_rest(void* context) {
  for (const scmp_datum_t flag : namespace_flags)
    TRY(deny_if(context, "clone", {has_bit(0, flag)}));
  for (const scmp_datum_t request : {TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS})
    TRY(deny_if(context, "ioctl", {equals(1, request)}));
  TRY(deny_if(context, "seccomp", {has_bit(1, SECCOMP_FILTER_FLAG_NEW_LISTENER)}));
  return deny_if(context, "execveat", {has_bit(4, AT_EMPTY_PATH)});
}

Result<ContextPtr> new_context() {
  ContextPtr context(::seccomp_init(SCMP_ACT_ALLOW));
  if (!context) return fail(Code::internal, "seccomp: init");
  // Calls of another architecture end the process; x32 numbers are refused by the architecture
  // check as well.
  TRY(check(::seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS),
            "foreign architectures"));
  TRY(check(::seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimize"));
  return context;
}

Result<FilterProgram> export_program(void* context) {
  const UniqueFd memory(::memfd_create("filter", MFD_CLOEXEC));
  if (!memory) return fail_errno("seccomp: memfd_create");
  TRY(check(::seccomp_export_bpf(context, memory.get()), "compile"));
  struct stat status{};
  if (::fstat(memory.get(), &status) != 0) return fail_errno("seccomp: size");
  FilterProgram program(static_cast<std::size_t>(status.st_size) / sizeof(sock_filter));
  if (::pread(memory.get(), program.data(), static_cast<std::size_t>(status.st_size), 0) !=
      status.st_size)
    return fail_errno("seccomp: read");
  return program;
}

}  // namespace

Result<FilterProgram> compile_child_filter() {
  TRY_ASSIGN(const ContextPtr context, new_context());
  TRY(deny(context.get(), denied_to_all, SCMP_ACT_ERRNO(EPERM)));
  TRY(deny(context.get(), denied_to_child, SCMP_ACT_ERRNO(EPERM)));
  TRY(deny(context.get(), absent_in_child, SCMP_ACT_ERRNO(ENOSYS)));
  TRY(restrict_sockets(context.get()));
  TRY(restrict_the_rest(context.get()));
  return export_program(context.get());
}

Result<FilterProgram> compile_broker_filter() {
  TRY_ASSIGN(const ContextPtr context, new_context());
  TRY(deny(context.get(), denied_to_all, SCMP_ACT_ERRNO(EPERM)));
  TRY(deny(context.get(), denied_to_broker, SCMP_ACT_ERRNO(EPERM)));
  return export_program(context.get());
}

Result<> install_filter(const FilterProgram& program, Threads threads) {
  const sock_fprog filter{static_cast<unsigned short>(program.size()),
                          const_cast<sock_filter*>(program.data())};
  const unsigned flags = threads == Threads::all ? SECCOMP_FILTER_FLAG_TSYNC : 0;
  const long code = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
  if (code > 0)
    return fail(Code::internal,
                "seccomp: thread " + std::to_string(code) + " cannot take the filter");
  if (code < 0) return fail_errno("seccomp: install");
  return {};
}

}  // namespace keyward::isolation
