#include "gateway/certgen/staging.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/file.hpp"

namespace keyward::gateway {
namespace {

namespace fs = std::filesystem;

constexpr const char* unfinished = "/.certgen.unfinished";
constexpr const char* complete = "/.certgen.complete";

Result<> remove_tree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return fail(Code::io, path + ": " + error.message());
  return {};
}

Result<> move_file(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return fail_errno(to);
  return {};
}

// Relative.
Result<std::vector<std::string>> files_in(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error))
    if (!at->is_directory(error))
      files.push_back(at->path().lexically_relative(directory).string());
  if (error) return fail(Code::io, directory + ": " + error.message());
  return files;
}

Result<> write_all_of(const std::string& directory, const std::vector<StagedFile>& files) {
  TRY(make_directory(directory));
  for (const StagedFile& file : files) {
    const std::string path = directory + "/" + file.path;
    std::error_code error;
    fs::create_directories(fs::path(path).parent_path(), error);
    if (error) return fail(Code::io, path + ": " + error.message());
    TRY(create_file(path, file.content.reveal(), file.secret ? 0600 : 0644));
  }
  return {};
}

}  // namespace

Result<> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return fail_errno(path);
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return fail_errno(path);
  if (!S_ISDIR(status.st_mode)) return fail(Code::invalid, path + ": is not a directory");
  if ((status.st_mode & 022) != 0)
    return fail(Code::denied, path + ": group or others can write to it; run: chmod go-w " + path);
  return {};
}

Result<Staging> Staging::open(const std::string& directory) {
  TRY(make_directory(directory));
  UniqueFd lock(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock) return fail_errno(directory);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(Code::unavailable, directory + ": another certgen works in it; try again");
  Staging staging(directory, std::move(lock));
  TRY(staging.move_in());
  return staging;
}

// With all directories that were made or changed.
Result<> Staging::sync() const {
  if (::syncfs(lock_.get()) != 0) return fail_errno(directory_);
  return {};
}

Result<> Staging::stage(const std::vector<StagedFile>& files) {
  const std::string aside = directory_ + unfinished;
  TRY(remove_tree(aside));
  Result<> done = write_all_of(aside, files);
  if (done) done = sync();
  if (done) done = move_file(aside, directory_ + complete);
  if (!done) {
    (void)remove_tree(aside);
    return done;
  }
  return sync();
}

Result<> Staging::move_in() {
  const std::string staged = directory_ + complete;
  if (::access(staged.c_str(), F_OK) != 0) return {};
  TRY_ASSIGN(const std::vector<std::string> files, files_in(staged));
  for (const std::string& file : files) {
    fs::path at = directory_;
    for (const fs::path& name : fs::path(file).parent_path())
      TRY(make_directory((at /= name).string()));
    TRY(move_file(staged + "/" + file, directory_ + "/" + file));
  }
  TRY(sync());
  return remove_tree(staged);
}

}  // namespace keyward::gateway
