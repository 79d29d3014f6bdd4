#pragma once
// Who may call what: one table for every handler.

#include <string_view>

#include "base/result.hpp"
#include "gateway/authn/authenticator.hpp"

namespace keyward::gateway {

enum class Method {
  health,
  refresh_sandbox_token,
  get_sandbox_config,
  get_sandbox_provider_environment,
  report_policy_status,
  report_main_process_exit,
  push_sandbox_logs,
  operator_
};

// `sandbox_id` is the one that the request names; empty for methods that act on the caller itself.
// Decided before anything is looked up, so that an answer does not tell whether a foreign sandbox
// exists.
Result<> authorize(const Principal& principal, Method method, std::string_view sandbox_id);

}  // namespace keyward::gateway
