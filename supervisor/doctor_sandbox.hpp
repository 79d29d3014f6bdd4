#pragma once
// The parts of `supervisor doctor` that look at this machine: privileges, kernel, files and names.

#include "isolation/sandbox.hpp"
#include "supervisor/config.hpp"
#include "supervisor/doctor_report.hpp"

namespace keyward::supervisor {

// Fills `config` from its options and environment as load_config() does, but goes on where a part
// is wrong and leaves that out.
void look_at_settings(Config& config, const SecretVariables& secrets, Findings& findings);

// Builds the sandbox of `config` and confines a process in it, as a run does up to execve.
void look_at_sandbox(isolation::Launcher& launcher, const Config& config, Findings& findings);

// What is written while the sandbox runs; without capabilities, as then.
void look_at_writing(const Config& config, Findings& findings);

}  // namespace keyward::supervisor
