#pragma once
// Programs that the operator names, and that nobody else can have replaced.

#include <string>

#include "base/result.hpp"

namespace keyward {

// The program's path without symbolic links.  Refused: a path that is not absolute; what is no
// regular file that may be executed; a file, a link or a directory on the way that belongs to
// somebody else than root or the caller, or that group or others can write (a directory with the
// sticky bit, such as /tmp, keeps others from what is ours in it).
Result<std::string> trusted_program(const std::string& path);

}  // namespace keyward
