#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "gateway/cli/commands.hpp"
#include "gateway/cli/output.hpp"
#include "netproxy/policy/yaml.hpp"

namespace keyward::gateway {
namespace {

nlohmann::json json_of(const PolicyInfo& policy) {
  return {{"revision", policy.version},
          {"hash", policy.hash},
          {"created", iso_time(policy.created)},
          {"status", policy.status},
          {"needs_restart", policy.needs_restart},
          {"load_error", policy.load_error}};
}

void print_policies(const std::vector<PolicyInfo>& policies, bool json) {
  if (json) {
    auto list = nlohmann::json::array();
    for (const PolicyInfo& policy : policies) list.push_back(json_of(policy));
    std::printf("%s\n", list.dump().c_str());
    return;
  }
  std::vector<std::vector<std::string>> cells = {
      {"REVISION", "CREATED", "STATUS", "HASH", "ERROR"}};
  for (const PolicyInfo& policy : policies)
    cells.push_back({std::to_string(policy.version), iso_time(policy.created), policy.status,
                     policy.hash.substr(0, 12), policy.load_error});
  std::fputs(table(cells).c_str(), stdout);
}

Result<> set_policy(OperatorClient& client, const PolicyCommand& command, bool json) {
  TRY_ASSIGN(std::string yaml, read_file(command.file, netproxy::policy_file_limit));
  TRY_ASSIGN(const PolicyInfo made,
             client.set_policy({command.sandbox, std::move(yaml), command.file}));
  if (json) {
    std::printf("%s\n", json_of(made).dump().c_str());
    return {};
  }
  std::printf("revision %u of %s: %s\n", made.version, command.sandbox.c_str(),
              made.status.c_str());
  if (made.needs_restart)
    std::printf(
        "its filesystem_policy, landlock or process differ: they hold from the next start\n");
  return {};
}

Result<> print_source(OperatorClient& client, const PolicyCommand& command) {
  TRY_ASSIGN(const PolicyInfo policy, client.policy(command.sandbox, command.version));
  if (policy.yaml.empty())
    return fail(Code::unsupported, "the text of revision " + std::to_string(policy.version) +
                                       " was not kept: a gateway before schema 3 stored it");
  std::fputs(policy.yaml.c_str(), stdout);
  return {};
}

}  // namespace

Result<> run_policy_command(OperatorClient& client, const PolicyCommand& command, bool json) {
  switch (command.verb) {
    case PolicyCommand::Verb::set:
      return set_policy(client, command, json);
    case PolicyCommand::Verb::list: {
      TRY_ASSIGN(const auto policies, client.policies(command.sandbox));
      print_policies(policies, json);
      return {};
    }
    case PolicyCommand::Verb::get:
      return print_source(client, command);
  }
  return {};
}

}  // namespace keyward::gateway
