#pragma once
// The parts of `supervisor doctor` that look at who this supervisor is: its token, its gateway and
// the SPIFFE agent.  After the last privileged step; gRPC's threads start here.

#include "base/clock.hpp"
#include "base/environment.hpp"
#include "supervisor/config.hpp"
#include "supervisor/doctor_report.hpp"

namespace keyward::supervisor {

// `config` from look_at_settings().  The token is presented to the gateway for one question that
// changes nothing, and is in no finding.
void look_at_identity(const Config& config, SecretVariables& secrets, const Clock& clock,
                      Findings& findings);

}  // namespace keyward::supervisor
