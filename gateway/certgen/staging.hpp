#pragma once
// A set of files that appears as a whole: it is written beside its place, and once it is complete
// there its files are renamed into place.  A crash leaves either nothing new or a complete set that
// the next run moves in before it looks at what is there.

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/unique_fd.hpp"

namespace keyward::gateway {

struct StagedFile {
  std::string path;  // relative
  Secret content;
  bool secret;  // 0600, else 0644
};

// 0700.  Code::invalid or Code::denied where something else is there, or others can write to it.
Result<> make_directory(const std::string& path);

class Staging {
 public:
  // Makes the directory where it is not there, locks it, and moves in what an earlier run has
  // staged.  Code::unavailable: another run works in it.
  static Result<Staging> open(const std::string& directory);

  Result<> stage(const std::vector<StagedFile>& files);  // durable, and all of them or none
  Result<> move_in();                                    // over what is there

 private:
  Result<> sync() const;
  Staging(std::string directory, UniqueFd lock)
      : directory_(std::move(directory)), lock_(std::move(lock)) {}

  std::string directory_;
  UniqueFd lock_;
};

}  // namespace keyward::gateway
