#include "isolation/hidden.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>

namespace keyward::isolation {
namespace {

bool is_out_of_reach() { return errno == ENOENT || errno == ENOTDIR || errno == EACCES; }

tl::unexpected<Error> visible(const std::string& path) {
  return fail(Code::internal,
              "mount view: " + path + " can be reached from inside, although it is hidden");
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

Result<> verify_directory(const std::string& path) {
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
  if (!directory && is_out_of_reach()) return {};
  if (!directory) return fail_errno("mount view: look at " + path);
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") return visible(path);
  }
  return {};
}

Result<> verify_file(const std::string& path) {
  const UniqueFd found(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (found) return visible(path);
  if (!is_out_of_reach()) return fail_errno("mount view: look for " + path);
  return {};
}

tl::unexpected<Error> uncovered(const std::string& directory) {
  return fail(
      Code::internal,
      "mount view: " + directory +
          " was hidden, and has been removed, moved or made anew outside; nothing runs where "
          "it could be seen");
}

// A tmpfs of its own for each.
Result<dev_t> cover_of(const std::string& directory) {
  struct stat status{};
  if (::stat(directory.c_str(), &status) != 0 && errno == EACCES)
    return fail_errno("mount view: look at " + directory, EACCES);
  if ((status.st_mode & S_IFMT) != S_IFDIR || (status.st_mode & 07777) != 0)
    return uncovered(directory);
  return status.st_dev;
}

// Names that appear and go, above a covered directory; and its own end.
constexpr std::uint32_t changes = IN_CREATE | IN_DELETE | IN_MOVE;

bool watch_above(const UniqueFd& inotify, std::string directory) {
  const auto watch = [&](std::uint32_t events) {
    return ::inotify_add_watch(inotify.get(), directory.c_str(), events | IN_ONLYDIR) >= 0;
  };
  if (!watch(IN_DELETE_SELF)) return false;
  while (directory != "/") {
    const auto slash = directory.find_last_of('/');
    directory = slash == 0 ? "/" : directory.substr(0, slash);
    if (!watch(changes)) return false;
  }
  return true;
}

}  // namespace

Result<> verify_hidden(const std::vector<FoundSecret>& secrets) {
  for (const FoundSecret& secret : secrets)
    TRY(secret.is_directory ? verify_directory(secret.path) : verify_file(secret.path));
  return {};
}

Result<HiddenWatch> HiddenWatch::begin(const MountPlan& plan) {
  HiddenWatch watch(UniqueFd(), plan);
  for (const std::string& directory : plan.covered) {
    TRY_ASSIGN(const dev_t device, cover_of(directory));
    watch.covers_.push_back(device);
  }
  if (plan.covered.empty()) return watch;
  UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  for (const std::string& directory : plan.covered)
    if (inotify && !watch_above(inotify, directory)) inotify.reset();
  watch.inotify_ = std::move(inotify);
  return watch;
}

Result<> HiddenWatch::look() {
  std::array<char, 4096> events{};  // what they say matters less than what is there now
  while (inotify_ && ::read(inotify_.get(), events.data(), events.size()) > 0) {
  }
  for (std::size_t i = 0; i < covers_.size(); ++i) {
    const Result<dev_t> now = cover_of(plan_->covered[i]);
    const bool out_of_reach = !now && now.error().code == Code::denied;
    if (!out_of_reach && (!now || *now != covers_[i])) return uncovered(plan_->covered[i]);
  }
  return verify_hidden(plan_->secrets);
}

}  // namespace keyward::isolation
