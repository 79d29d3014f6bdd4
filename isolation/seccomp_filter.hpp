#pragma once
// System-call filters, written as tables (docs/THREAT_MODEL.md says what each entry closes).
// Compiled before they are needed and installed as the last step before exec, or for all threads of
// the broker at once.

#include <linux/filter.h>

#include <vector>

#include "base/result.hpp"

namespace keyward::isolation {

using FilterProgram = std::vector<sock_filter>;

Result<FilterProgram> compile_child_filter();   // for everything that runs inside a sandbox
Result<FilterProgram> compile_broker_filter();  // for the broker after its last privileged call

enum class Threads { calling, all };
// Needs no_new_privs.  With Threads::all a thread that cannot follow is an error
// (SECCOMP_FILTER_FLAG_TSYNC).
Result<> install_filter(const FilterProgram& program, Threads threads);

}  // namespace keyward::isolation
