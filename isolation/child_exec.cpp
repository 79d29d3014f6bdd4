#include "isolation/child_exec.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "isolation/capabilities.hpp"
#include "isolation/hidden.hpp"
#include "isolation/launch_channel.hpp"

namespace keyward::isolation {
namespace {

// A group of its own, in the foreground when there is a terminal, so that signals reach the program
// and its children.
Result<> take_terminal() {
  if (::setpgid(0, 0) != 0) return fail_errno("process group");
  if (::isatty(STDIN_FILENO) == 1) {
    ::signal(SIGTTOU, SIG_IGN);
    ::tcsetpgrp(STDIN_FILENO,
                ::getpgrp());  // best effort: the terminal may belong to another session
  }
  return {};
}

Result<> reset_signals() {
  for (int number = 1; number < NSIG; ++number)
    if (number != SIGKILL && number != SIGSTOP) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  if (::sigprocmask(SIG_SETMASK, &none, nullptr) != 0) return fail_errno("signal mask");
  return {};
}

// 0 to 2 must be something, or the first file that the program opens becomes its standard output.
Result<> close_descriptors(int report) {
  for (int fd = 0; fd <= 2; ++fd)
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd)
      return fail_errno("standard streams");
  if (::dup3(report, 3, O_CLOEXEC) != 3 && report != 3) return fail_errno("report pipe");
  if (::syscall(SYS_close_range, 4U, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
    return fail_errno("close_range");
  return {};
}

Result<> new_session_keyring() {
  if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) >= 0) return {};
  // An engine whose own filter refuses keyctl refuses it to the program as well: the layer is
  // there.
  if (errno == EPERM || errno == ENOSYS) return {};
  return fail_errno("session keyring");
}

Result<> set_limits() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return fail_errno("core limit");
  ::umask(022);
  return {};
}

Result<> enter_directory(const std::string& directory) {
  if (::chdir(directory.c_str()) != 0)
    return fail_errno("working directory " + directory +
                      " (give one that exists in the sandbox with --workdir)");
  return {};
}

Result<> lock_securebits() {
  const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
                             SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                             SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  if (::prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) != 0)
    return fail_errno("securebits (needs CAP_SETPCAP)");
  return {};
}

// Raw system calls: glibc's wrappers are for processes with threads.
Result<> become(const User& user) {
  if (::syscall(SYS_setgroups, 0, nullptr) != 0) return fail_errno("groups (needs CAP_SETGID)");
  if (::syscall(SYS_setresgid, user.gid, user.gid, user.gid) != 0)
    return fail_errno("gid (needs CAP_SETGID)");
  if (::syscall(SYS_setresuid, user.uid, user.uid, user.uid) != 0)
    return fail_errno("uid (needs CAP_SETUID)");
  return {};
}

Result<> verify_identity(const User& user) {
  uid_t ruid = 0, euid = 0, suid = 0;
  gid_t rgid = 0, egid = 0, sgid = 0;
  if (::getresuid(&ruid, &euid, &suid) != 0 || ::getresgid(&rgid, &egid, &sgid) != 0)
    return fail_errno("read ids");
  const bool ours = ruid == user.uid && euid == user.uid && suid == user.uid && rgid == user.gid &&
                    egid == user.gid && sgid == user.gid;
  if (!ours || ::getgroups(0, nullptr) != 0) return fail(Code::internal, "the ids did not change");
  if (::syscall(SYS_setuid, 0) == 0 || ::syscall(SYS_setgid, 0) == 0)
    return fail(Code::internal, "root can be regained");
  return verify_no_capabilities();
}

Result<> forbid_privilege_and_orphans() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("no_new_privs");
  // After the change of uid, which clears it (prctl(2)); the parent is the sandbox's init.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return fail_errno("parent-death signal");
  if (::getppid() != 1) return fail(Code::internal, "the sandbox's init is gone");
  return {};
}

Result<> confine(const ConfinedProgram& confined, int report) {
  TRY(take_terminal());
  TRY(reset_signals());
  TRY(close_descriptors(report));
  TRY(new_session_keyring());
  TRY(set_limits());
  TRY(lock_securebits());
  TRY(clear_bounding_set());
  TRY(clear_ambient_set());
  TRY(become(confined.user));
  TRY(keep_capabilities({}));
  TRY(enter_directory(confined.program.directory));  // as the user: a directory that only root may
                                                     // enter is none of its own
  TRY(verify_identity(confined.user));
  TRY(verify_hidden(confined.hidden));
  TRY(forbid_privilege_and_orphans());
  TRY(enter_landlock_domain(confined.landlock));
  return install_filter(confined.filter, Threads::calling);
}

std::string path_variable(const std::vector<std::string>& environment) {
  for (const std::string& entry : environment)
    if (entry.starts_with("PATH=")) return entry.substr(5);
  return {};
}

std::vector<std::string> candidates(const ProgramSpec& program) {
  const std::string& name = program.arguments.front();
  if (name.find('/') != std::string::npos) return {name};
  std::vector<std::string> found;
  const std::string path = path_variable(program.environment);
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find(':', at), path.size());
    if (end > at) found.push_back(path.substr(at, end - at) + "/" + name);
    at = end + 1;
  }
  return found;
}

// execve(2) for each candidate, as execvp(3) would: the first that exists decides what is reported.
Error exec_program(const ProgramSpec& program) {
  std::vector<char*> arguments, environment;
  for (const std::string& text : program.arguments)
    arguments.push_back(const_cast<char*>(text.c_str()));
  for (const std::string& text : program.environment)
    environment.push_back(const_cast<char*>(text.c_str()));
  arguments.push_back(nullptr);
  environment.push_back(nullptr);
  int reason = ENOENT;
  for (const std::string& path : candidates(program)) {
    ::execve(path.c_str(), arguments.data(), environment.data());
    if (errno != ENOENT && errno != ENOTDIR) reason = errno;
  }
  const std::string& name = program.arguments.front();
  if (reason == ENOENT) return {Code::not_found, "exec: " + name + ": not found in the sandbox"};
  return fail_errno("exec: " + name + ": cannot be executed", reason).value();
}

}  // namespace

void confine_and_exec(const ConfinedProgram& confined, int report) {
  const Result<> done = confine(confined, report);
  Error error = done ? exec_program(confined.program)
                     : Error{done.error().code, "confine: " + done.error().what};
  const std::string bytes = encode(error);
  // Descriptor 3 once close_descriptors has run, the original before.
  if (::write(3, bytes.data(), bytes.size()) < 0 && ::write(report, bytes.data(), bytes.size()) < 0)
    ::_exit(125);
  ::_exit(125);
}

}  // namespace keyward::isolation
