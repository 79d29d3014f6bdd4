#include "base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/unique_fd.hpp"

namespace keyward {
namespace {

struct OpenedFile {
  UniqueFd fd;
  struct stat status{};
};

Result<OpenedFile> open_regular(const std::string& path, std::size_t limit) {
  // O_NONBLOCK: a fifo in the place of a file must not block the start.
  OpenedFile file{UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)), {}};
  if (!file.fd || ::fstat(file.fd.get(), &file.status) != 0) return fail_errno(path);
  if (!S_ISREG(file.status.st_mode)) return fail(Code::invalid, path + ": is not a regular file");
  if (file.status.st_size > static_cast<off_t>(limit))
    return fail(Code::invalid, path + ": is larger than " + std::to_string(limit) + " bytes");
  return file;
}

// `put` takes each piece; the pieces' buffer is wiped, since the file may hold a secret.
template <class Put>
Result<> read_all(const UniqueFd& fd, const std::string& path, std::size_t limit, Put put) {
  char buffer[16384];
  std::size_t total = 0;
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0) return fail_errno(path);
    if (got == 0) break;
    total += static_cast<std::size_t>(got);
    if (total > limit)
      return fail(Code::invalid, path + ": is larger than " + std::to_string(limit) + " bytes");
    put(std::string_view(buffer, static_cast<std::size_t>(got)));
    wipe(buffer, static_cast<std::size_t>(got));
  }
  return {};
}

std::string directory_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<> sync_directory(const std::string& path) {
  const UniqueFd directory(::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return fail_errno(directory_of(path));
  return {};
}

enum class Existing { replace, refuse };

Result<> write_beside_and_move(const std::string& path, std::string_view content, mode_t mode,
                               Existing existing) {
  const std::string temporary = path + "." + hex(as_bytes(random_bytes(8))) + ".new";
  const UniqueFd fd(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return fail_errno(path);
  Result<> done = write_all(fd.get(), content, path);
  if (done && ::fchmod(fd.get(), mode) != 0) done = fail_errno(path);  // the umask must not decide
  if (done && existing == Existing::replace && ::rename(temporary.c_str(), path.c_str()) != 0)
    done = fail_errno(path);
  if (done && existing == Existing::refuse && ::link(temporary.c_str(), path.c_str()) != 0)
    done = fail_errno(path);
  if (!done || existing == Existing::refuse) ::unlink(temporary.c_str());
  if (done) done = sync_directory(path);
  return done;
}

}  // namespace

Result<> write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0) return fail_errno(path);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) return fail_errno(path);
  return {};
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  TRY_ASSIGN(const OpenedFile file, open_regular(path, limit));
  std::string content;
  TRY(read_all(file.fd, path, limit, [&](std::string_view piece) { content += piece; }));
  return content;
}

Result<Secret> read_secret_file(const std::string& path, std::size_t limit) {
  TRY_ASSIGN(const OpenedFile file, open_regular(path, limit));
  if ((file.status.st_mode & 077) != 0)
    return fail(Code::denied,
                path + ": group or others can read this secret; run: chmod 600 " + path);
  if (file.status.st_uid != ::geteuid() && file.status.st_uid != 0)
    return fail(Code::denied,
                path + ": this secret belongs to another user; run: chown root " + path);
  Secret content;
  TRY(read_all(file.fd, path, limit, [&](std::string_view piece) { content.append(piece); }));
  return content;
}

Result<std::string> read_standard_input(std::size_t limit) {
  const std::string name = "standard input";
  const UniqueFd own(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!own) return fail_errno(name);
  std::string content;
  TRY(read_all(own, name, limit, [&](std::string_view piece) { content += piece; }));
  return content;
}

Result<> replace_file(const std::string& path, std::string_view content, mode_t mode) {
  return write_beside_and_move(path, content, mode, Existing::replace);
}

Result<> create_file(const std::string& path, std::string_view content, mode_t mode) {
  return write_beside_and_move(path, content, mode, Existing::refuse);
}

}  // namespace keyward
