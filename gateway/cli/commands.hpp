#pragma once
// The operator's commands: each asks the gateway, then prints a table or JSON.

#include "base/result.hpp"
#include "gateway/operator/client.hpp"
#include "gateway/operator/review.hpp"
#include "gateway/options.hpp"

namespace keyward::gateway {

Result<> run_sandbox_command(OperatorClient& client, const SandboxCommand& command, bool json);
Result<> print_logs(OperatorClient& client, const SandboxCommand& command, bool json);
Result<> run_policy_command(OperatorClient& client, const PolicyCommand& command, bool json);
Result<> run_keys_command(const KeysCommand& command, bool json);  // on the files themselves
Result<> run_draft_command(ReviewClient& client, const DraftCommand& command, bool json);
Result<> run_profile_command(ReviewClient& client, const ProfileCommand& command, bool json);
Result<> run_provider_command(OperatorClient& client, const ProviderCommand& command, bool json);

}  // namespace keyward::gateway
