#pragma once
// The gateway's state.  Every method is atomic and durable: when it returns, its effect survives
// kill -9 and power loss.  Any thread.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::gateway {

struct SandboxRow {
  std::string id, name;
  TimePoint created;
  std::string policy;  // serialized SandboxPolicy of the wire contract; empty = none
  std::string policy_hash;
  std::uint32_t policy_version = 0;
  std::string policy_status;  // what the supervisor reported last: "loaded", "failed", or empty
};

struct ProviderRow {
  std::string id, name, type;
  TimePoint created;
  std::map<std::string, Secret> credentials;  // environment name → value; sealed at rest
  std::map<std::string, std::string> config;  // not secret
  std::vector<std::string> bindings;          // HOST[:PORT][/PATH]
};

struct TokenRow {
  std::string jti, sandbox_id;
  TimePoint expires;
};

// What the store knows of a presented jti.
enum class TokenState {
  unknown,  // never issued here, or pruned
  active,
  superseded,  // refreshed; only a repeat of that refresh may still use it
  revoked,
};
struct TokenStatus {
  TokenState state = TokenState::unknown;
  std::string refresh_id;  // of the refresh that superseded it, while that can be repeated
  TimePoint refreshed;     // when a refresh ended it; the epoch for all others
};

class Store {
 public:
  virtual ~Store() = default;

  virtual Result<> create_sandbox(const SandboxRow& sandbox,
                                  const std::vector<std::string>& provider_names) = 0;
  virtual Result<std::vector<SandboxRow>> sandboxes() = 0;
  virtual Result<SandboxRow> sandbox_by_id(const std::string& id) = 0;
  virtual Result<SandboxRow> sandbox_by_name(const std::string& name) = 0;
  virtual Result<bool> delete_sandbox(
      const std::string& name) = 0;  // with all its tokens and attachments
  virtual Result<> set_policy_status(const std::string& id, const std::string& status) = 0;

  virtual Result<> create_provider(const ProviderRow& provider) = 0;
  virtual Result<std::vector<ProviderRow>> providers() = 0;
  virtual Result<bool> delete_provider(
      const std::string& name) = 0;  // Code::denied while it is attached
  virtual Result<bool> attach(const std::string& sandbox, const std::string& provider) = 0;
  virtual Result<bool> detach(const std::string& sandbox, const std::string& provider) = 0;
  virtual Result<std::vector<ProviderRow>> providers_of(const std::string& sandbox_id) = 0;

  virtual Result<> add_token(const TokenRow& token) = 0;
  virtual Result<TokenStatus> token_status(const std::string& jti) = 0;
  // The new token and the old one's end, in one transaction.  A repeat (same old jti and refresh
  // id) revokes what the first answer carried, since nobody may have received it.
  virtual Result<> supersede(const std::string& old_jti, const std::string& refresh_id,
                             const TokenRow& next, TimePoint now) = 0;
  virtual Result<> note_use(const std::string& jti) = 0;  // the first use of a refreshed token ends
                                                          // the repeat of its refresh
  virtual Result<> prune(TimePoint now) = 0;              // forgets tokens that have expired
};

// Opens or makes the file (0600); `key` seals the secrets.  Errors: another key, a newer schema, no
// access.
Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path, const Secret& key);

}  // namespace keyward::gateway
