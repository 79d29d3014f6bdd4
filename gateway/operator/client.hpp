#pragma once
// What the operator's commands ask a running gateway, over its root-only socket.  Every call has a
// deadline of ten seconds; a refusal keeps its code.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::gateway {

struct SandboxInfo {
  std::string id, name, policy_hash, policy_status;
  std::uint32_t policy_version = 0;
  TimePoint created;
  std::vector<std::string> providers;
  std::optional<std::int32_t> exit_code;  // of the main program that ended last
  TimePoint exited;
};

struct ProviderInfo {
  std::string id, name, type;
  TimePoint created;
  std::vector<std::string> credential_names, bindings;
  std::map<std::string, std::string> config;
  std::vector<std::string> derived_services, derived_regions;  // none: no derived keys
};

struct TokenInfo {
  Secret token;
  std::string sandbox_id;
  TimePoint expires;
};

struct PolicyInfo {
  std::uint32_t version = 0;
  std::string hash, status, load_error;
  TimePoint created;
  std::string yaml;            // as it was given
  bool needs_restart = false;  // of set_policy: more than the network rules differ
};

struct LogLineInfo {
  std::uint64_t number = 0;
  TimePoint time;
  std::string level, target, message;
  std::map<std::string, std::string> fields;
};

struct NewPolicy {
  std::string sandbox, yaml, file;
};

struct NewSandbox {
  std::string name, policy_yaml, policy_file;
  std::vector<std::string> providers;
};

struct NewProvider {
  std::string name, type;
  std::map<std::string, Secret> credentials;
  std::map<std::string, std::string> config;
  std::vector<std::string> bindings;
  bool derived_keys = false;  // the secret stays in the gateway
  std::vector<std::string> derived_services, derived_regions;
};

class OperatorClient {
 public:
  // The socket must belong to root or to the caller: secrets are sent over it.
  static Result<std::unique_ptr<OperatorClient>> connect(const std::string& socket_path);
  virtual ~OperatorClient() = default;

  virtual Result<SandboxInfo> create_sandbox(const NewSandbox& sandbox) = 0;
  virtual Result<std::vector<SandboxInfo>> sandboxes() = 0;
  virtual Result<SandboxInfo> sandbox(const std::string& name) = 0;
  virtual Result<bool> delete_sandbox(const std::string& name) = 0;
  virtual Result<TokenInfo> issue_token(const std::string& sandbox) = 0;

  // Those above the number `after` that one answer holds, oldest first; none: there are no more.
  virtual Result<std::vector<LogLineInfo>> logs(const std::string& sandbox,
                                                std::uint64_t after) = 0;

  virtual Result<PolicyInfo> set_policy(const NewPolicy& policy) = 0;
  virtual Result<std::vector<PolicyInfo>> policies(const std::string& sandbox) = 0;
  // With its text; version 0: the newest.
  virtual Result<PolicyInfo> policy(const std::string& sandbox, std::uint32_t version) = 0;

  virtual Result<ProviderInfo> create_provider(const NewProvider& provider) = 0;
  // Its name, and the credentials and configuration that replace those of these names.
  virtual Result<ProviderInfo> update_provider(const NewProvider& provider) = 0;
  virtual Result<std::vector<ProviderInfo>> providers() = 0;
  virtual Result<bool> delete_provider(const std::string& name) = 0;
  virtual Result<bool> attach(const std::string& sandbox, const std::string& provider) = 0;
  virtual Result<bool> detach(const std::string& sandbox, const std::string& provider) = 0;
};

}  // namespace keyward::gateway
