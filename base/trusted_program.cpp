#include "base/trusted_program.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>

namespace keyward {
namespace {

constexpr int most_links = 40;  // as the kernel (path_resolution(7))

Result<> check_owner(const std::string& path, const struct stat& status) {
  if (status.st_uid == 0 || status.st_uid == ::geteuid()) return {};
  return fail(Code::denied, path + ": belongs to another user; run: chown -h root " + path);
}

Result<> check_part(const std::string& path, const struct stat& status) {
  TRY(check_owner(path, status));
  const bool sticky_directory = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  if ((status.st_mode & 022) == 0 || sticky_directory) return {};
  return fail(Code::denied, path + ": group or others can write to it; run: chmod go-w " + path);
}

// Where the link leads, with what follows it in the path.
Result<std::string> follow(const std::string& link, const std::string& rest) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size() - 1);
  if (size < 0) return fail_errno(link);
  const std::string text = target.data() + rest;
  return text.starts_with('/') ? text : link.substr(0, link.find_last_of('/') + 1) + text;
}

// Part by part from the root, as the kernel resolves it, so that no link escapes the look.
Result<std::string> resolve(std::string path) {
  int links = 0;
  std::size_t end = 0;
  while (end < path.size()) {
    const auto slash = path.find('/', end + 1);
    const std::size_t next = slash == std::string::npos ? path.size() : slash;
    const std::string part = path.substr(0, next);
    struct stat status{};
    if (::lstat(part.c_str(), &status) != 0) return fail_errno(part);
    end = next;
    if (!S_ISLNK(status.st_mode)) {
      TRY(check_part(part, status));
      continue;
    }
    TRY(check_owner(part, status));
    if (++links > most_links) return fail(Code::invalid, part + ": too many symbolic links");
    TRY_ASSIGN(path, follow(part, path.substr(next)));
    end = 0;
  }
  return path;
}

}  // namespace

Result<std::string> trusted_program(const std::string& path) {
  if (!path.starts_with('/') || path.find('\0') != std::string::npos)
    return fail(Code::invalid, path + ": must be an absolute path");
  struct stat status{};
  if (::lstat("/", &status) != 0) return fail_errno("/");
  TRY(check_part("/", status));
  TRY_ASSIGN(std::string program, resolve(path));
  if (::lstat(program.c_str(), &status) != 0) return fail_errno(program);
  if (!S_ISREG(status.st_mode)) return fail(Code::invalid, program + ": is not a regular file");
  if (::faccessat(AT_FDCWD, program.c_str(), X_OK, AT_EACCESS) != 0) return fail_errno(program);
  return program;
}

}  // namespace keyward
