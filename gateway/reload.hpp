#pragma once
// Files that are looked at again while the gateway serves.

#include <functional>
#include <string>

#include "base/log.hpp"
#include "base/result.hpp"

namespace keyward::gateway {

// Tells of each failure once, not each time; what was there before stays meanwhile.
class Reload {
 public:
  // `look`: whether there was something new.
  Reload(std::string what, std::function<Result<bool>()> look)
      : what_(std::move(what)), look_(std::move(look)) {}

  void operator()() {
    const Result<bool> changed = look_();
    if (!changed && failure_ != changed.error().what)
      log::error("files_not_reloaded", {{"what", what_}, {"detail", changed.error().what}});
    if (changed && (*changed || !failure_.empty())) log::info("files_reloaded", {{"what", what_}});
    failure_ = changed ? std::string() : changed.error().what;
  }

 private:
  std::string what_;
  std::function<Result<bool>()> look_;
  std::string failure_;
};

}  // namespace keyward::gateway
