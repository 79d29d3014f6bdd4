#include "supervisor/doctor.hpp"

#include <unistd.h>

#include <cstdio>

#include "base/clock.hpp"
#include "base/environment.hpp"
#include "base/log.hpp"
#include "supervisor/doctor_aws.hpp"
#include "supervisor/doctor_identity.hpp"
#include "supervisor/doctor_report.hpp"
#include "supervisor/doctor_sandbox.hpp"

namespace keyward::supervisor {
namespace {

bool may_colour(const EnvironmentMap& environment) {
  const auto refused = environment.find("NO_COLOR");  // no-color.org
  return ::isatty(STDOUT_FILENO) == 1 && (refused == environment.end() || refused->second.empty());
}

void refuse(Findings& findings, const char* check, const Error& error) {
  findings.push_back({check, Health::fix, error.what, ""});
}

// In the order of a run.
void examine(Config& config, Findings& findings) {
  auto launcher = isolation::fork_launcher(secret_variables(config.options));
  SecretVariables secrets = take_secret_variables(secret_variables(config.options));
  config.environment = environment_map();
  look_at_settings(config, secrets, findings);
  if (launcher)
    look_at_sandbox(**launcher, config, findings);
  else
    refuse(findings, "sandbox", launcher.error());
  if (launcher) launcher->reset();
  if (const Result<> dropped = isolation::drop_broker_capabilities(); !dropped)
    refuse(findings, "sandbox", dropped.error());
  look_at_writing(config, findings);
  const SystemClock clock;
  look_at_identity(config, secrets, clock, findings);
  look_at_aws_sources(config.aws, clock, findings);
}

}  // namespace

int doctor(const DoctorOptions& options) {
  log::set_level(log::Level::error);  // what the parts would say is in the findings
  Config config;
  config.options = options.run;
  Findings findings;
  examine(config, findings);
  const std::string shown = options.json ? findings_json(findings) + "\n"
                                         : findings_text(findings, may_colour(config.environment));
  std::fputs(shown.c_str(), stdout);
  return has_something_to_fix(findings) ? 1 : 0;
}

}  // namespace keyward::supervisor
