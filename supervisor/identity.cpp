#include "supervisor/identity.hpp"

namespace keyward::supervisor {
namespace {

isolation::FilesystemRules filesystem_rules(const netproxy::PolicyModel& policy) {
  return {policy.filesystem.read_only, policy.filesystem.read_write, policy.landlock_best_effort};
}

Result<> start_local(Identity& identity, LocalSettings& local) {
  identity.gives_placeholder = !local.credentials.aws.empty();
  identity.credentials.set(
      std::make_shared<const netproxy::Credentials>(std::move(local.credentials)));
  if (!local.has_policy) return {};  // nothing loaded: everything is denied
  TRY_ASSIGN(netproxy::Policy policy, netproxy::compile(local.policy));
  identity.filesystem = filesystem_rules(local.policy);
  identity.policy.set(std::make_shared<const netproxy::Policy>(std::move(policy)));
  return {};
}

}  // namespace

Result<std::unique_ptr<Identity>> start_identity(Config& config, SecretVariables, const Clock&) {
  auto identity = std::make_unique<Identity>();
  TRY(start_local(*identity, config.local));
  return identity;
}

}  // namespace keyward::supervisor
