#pragma once
// What is hidden, looked for from inside: before the program runs, as the program's own user, and
// for as long as it runs.  A cover is a mount, and a mount goes when its directory is removed or
// moved in another mount namespace (Linux since 3.18; mount_namespaces(7)): whoever makes the
// directory anew outside would show it inside.

#include <sys/types.h>

#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "isolation/plan.hpp"

namespace keyward::isolation {

// By the caller's own rights.  A file or socket must not be found, a directory not be found, not be
// opened or be empty.  Error: the first that is not so.
Result<> verify_hidden(const std::vector<FoundSecret>& secrets);

class HiddenWatch {
 public:
  // In the view, once everything is covered.  `plan` outlives it.
  static Result<HiddenWatch> begin(const MountPlan& plan);
  // For poll(2): look() where the descriptor is readable or the time is over.  None is watched, and
  // -1 is for ever, where nothing is covered.  Users have only so many inotify instances, which
  // containers share: where there is none left, it is looked every second.
  int fd() const { return inotify_.get(); }
  int interval_ms() const { return covers_.empty() || inotify_ ? -1 : 1'000; }
  // Error: a cover is gone, or no longer ours, even where nothing can be seen yet.  What the caller
  // may no longer reach, the program may not either.
  Result<> look();

 private:
  HiddenWatch(UniqueFd inotify, const MountPlan& plan)
      : inotify_(std::move(inotify)), plan_(&plan) {}

  UniqueFd inotify_;
  const MountPlan* plan_;
  std::vector<dev_t> covers_;  // of plan_->covered
};

}  // namespace keyward::isolation
