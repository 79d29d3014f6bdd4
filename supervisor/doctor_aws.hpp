#pragma once
// The part of `supervisor doctor` that looks at the sources of AWS keys.

#include "base/clock.hpp"
#include "supervisor/aws_sources.hpp"
#include "supervisor/doctor_report.hpp"

namespace keyward::supervisor {

// Asks each source for keys, as a run does, and forgets them.  After the last privileged step.
void look_at_aws_sources(const AwsSourceSettings& settings, const Clock& clock, Findings& findings);

}  // namespace keyward::supervisor
