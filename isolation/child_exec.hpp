#pragma once
// The last steps of the untrusted child, between fork and exec, in one fixed order (design: "the
// child applies").  A step that fails is reported on a close-on-exec pipe and nothing is executed.

#include <string>
#include <vector>

#include "base/result.hpp"
#include "isolation/landlock_rules.hpp"
#include "isolation/plan.hpp"
#include "isolation/sandbox.hpp"
#include "isolation/seccomp_filter.hpp"
#include "isolation/users.hpp"

namespace keyward::isolation {

// Everything is compiled and opened before the fork.
struct ConfinedProgram {
  const ProgramSpec& program;
  const User& user;
  const FilterProgram& filter;
  const LandlockDomain& landlock;
  const std::vector<FoundSecret>& hidden;
};

// Runs in the child and never returns: it becomes the program, or writes an encoded Error to
// `report` and exits.
[[noreturn]] void confine_and_exec(const ConfinedProgram& confined, int report);

}  // namespace keyward::isolation
