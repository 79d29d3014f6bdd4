#pragma once
// The gateway's state.  Every method is atomic and durable: when it returns, its effect survives
// kill -9 and power loss.  Any thread.  A text with a NUL byte is Code::invalid: the databases do
// not keep it alike.

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::gateway {

// One revision of a sandbox's policy.
struct PolicyRow {
  std::uint32_t version = 0;  // from 1 on; the newest one holds
  std::string policy;         // serialized SandboxPolicy of the wire contract
  std::string hash;
  std::string source;  // the text as it was given
  TimePoint created;
  std::string status;                             // pending, loaded, failed, superseded
  std::string load_error;                         // what the supervisor said of a failed one
  TimePoint loaded;                               // the epoch: not yet
  std::map<std::string, std::string> provenance;  // what the caller says of its change
};

// What a supervisor reports of a revision.
struct PolicyReport {
  std::uint32_t version = 0;
  std::string load_error;  // empty: it is loaded
  TimePoint time;
};

// How a sandbox's main program ended, as its supervisor reports it.
struct MainExit {
  std::string instance_id;  // of the supervisor's run
  std::int32_t code = 0;    // 128+N: it died of signal N
  TimePoint time;
};

// What users say of a sandbox beside its policy and providers.
struct SandboxNotes {
  std::string spec;  // serialized SandboxSpec of the wire contract
  std::map<std::string, std::string> labels, annotations;
};

struct NewSandboxRow {
  std::string id, name;
  TimePoint created;
  std::optional<PolicyRow> policy;  // revision 1
  SandboxNotes notes{};
};

struct SandboxRow {
  std::string id, name;
  TimePoint created;
  // Of the newest policy; empty and 0 where there is none.
  std::string policy, policy_hash;
  std::uint32_t policy_version = 0;
  std::string policy_status;
  std::optional<MainExit> exit;  // the last one
  SandboxNotes notes;
  std::uint64_t resource_version = 0;  // grows by touch_sandbox()
};

// Which sandboxes, of all in the order of their names.
struct SandboxPage {
  std::string after;  // those whose name comes after this one
  std::int64_t limit = std::numeric_limits<std::int64_t>::max(), offset = 0;
};

// The gateway keeps the secret and hands out signing keys, one for each service in each region.
struct DerivedKeyScopes {
  std::vector<std::string> services, regions;
  bool empty() const { return services.empty() && regions.empty(); }
};

// What everybody may see of a provider.
struct ProviderFacts {
  std::string id, name, type;
  TimePoint created;
  std::map<std::string, std::string> config;    // not secret
  std::vector<std::string> bindings;            // HOST[:PORT][/PATH]; none: its profile's endpoints
  std::map<std::string, std::int64_t> expires;  // credential → Unix milliseconds
  std::uint64_t resource_version = 1;
  DerivedKeyScopes derived_keys{};  // empty: the credentials themselves are handed out
};
struct ProviderRow : ProviderFacts {
  std::map<std::string, Secret> credentials;  // environment name → value; sealed at rest
};
// ... whose secrets were not unsealed.
struct ProviderOutline : ProviderFacts {
  std::vector<std::string> variables;  // its credentials' names
};

// Whatever else is kept: a serialized message of its kind's owner.
struct RecordKey {
  std::string kind;   // profile, draft, ...
  std::string owner;  // a sandbox's id; empty: the gateway's own
  std::string name;
};
struct RecordRow {
  RecordKey key;
  std::string body;
  TimePoint created;
  std::uint64_t version = 0;  // from 1 on; grows with each change
};

// A record as somebody has read it.
struct RecordVersion {
  RecordKey key;
  std::uint64_t version = 0;
};
// Asked inside the transaction of a change, about all providers that have the type; an error
// undoes the change.  May be asked more than once.
struct ProviderCheck {
  std::string type;
  std::function<Result<>(const std::vector<ProviderOutline>&)> holds;
};

// The records that providers' types name.
constexpr const char* profile_kind = "profile";

// What one sandbox is given, as a change would leave it.
struct SandboxProviders {
  std::string sandbox;                     // its name
  std::vector<ProviderOutline> providers;  // by name
};
struct GivenProviders {
  std::vector<SandboxProviders> sandboxes;    // that the change touches
  std::map<std::string, RecordRow> profiles;  // that are stored and some provider's type, by name
};
// What must hold of it.  Asked inside the transaction of whatever attaches or changes a provider or
// stores a profile; an error undoes the change.  May be asked more than once, by any thread.
using GivenRule = std::function<Result<>(const GivenProviders&)>;

struct AttachmentChange {
  std::string sandbox_id, provider;  // the provider's name
  std::uint64_t expected = 0;        // the sandbox's resource version; 0 expects nothing
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
  // Of the refresh that superseded it, while that can be repeated; as it is stored.
  std::string refresh_mark;
  // Whether `refresh_id` asks for that refresh again.
  bool repeats(std::string_view refresh_id) const;
  TimePoint refreshed;  // when a refresh ended it; the epoch for all others
};

constexpr std::int64_t policies_kept = 100;

class Store {
 public:
  virtual ~Store() = default;

  // Code::not_found: there is no such provider.  Code::precondition: two of them would set the same
  // variable; an error of the rule: what it says.  So for all that attach and update.
  virtual Result<> create_sandbox(const NewSandboxRow& sandbox,
                                  const std::vector<std::string>& provider_names) = 0;
  virtual Result<std::vector<SandboxRow>> sandboxes(const SandboxPage& page = {}) = 0;
  virtual Result<SandboxRow> sandbox_by_id(const std::string& id) = 0;
  virtual Result<SandboxRow> sandbox_by_name(const std::string& name) = 0;
  virtual Result<bool> delete_sandbox(
      const std::string& name) = 0;  // with all its tokens and attachments
  // ... and no other one that was given its name meanwhile.
  virtual Result<bool> delete_sandbox_by_id(const std::string& id) = 0;

  // One more change of the sandbox.  Code::conflict: its resource version is not the expected one;
  // 0 expects nothing.
  virtual Result<> touch_sandbox(const std::string& id, std::uint64_t expected) = 0;
  // Over those that are there, in one transaction; the answer is the whole.
  virtual Result<std::map<std::string, std::string>> add_annotations(
      const std::string& id, const std::map<std::string, std::string>& added) = 0;

  // The new revision's number; the newest one's where that has the same hash.  The last
  // `policies_kept` are kept.  Code::conflict: the newest one is not `after`, where that is given.
  virtual Result<std::uint32_t> add_policy(const std::string& sandbox_id, const PolicyRow& policy,
                                           std::optional<std::uint32_t> after = {}) = 0;
  virtual Result<std::vector<PolicyRow>> policies(const std::string& sandbox_id) = 0;
  // One revision.  Code::not_found: there is none of that number.
  virtual Result<PolicyRow> policy(const std::string& sandbox_id, std::uint32_t version) = 0;
  // The newest revision that the supervisor has loaded; 0: none.
  virtual Result<std::uint32_t> loaded_version(const std::string& sandbox_id) = 0;
  // A loaded revision supersedes the older ones.  Code::not_found: there is no such revision.
  virtual Result<> set_policy_status(const std::string& sandbox_id, const PolicyReport& report) = 0;

  // A repeat of the same instance changes nothing.
  virtual Result<> set_exit(const std::string& sandbox_id, const MainExit& exit) = 0;

  // Code::precondition: `profile`, where it is given, is not at that version any more.
  virtual Result<> create_provider(const ProviderRow& provider,
                                   const std::optional<RecordVersion>& profile = {}) = 0;
  virtual Result<ProviderRow> provider_by_name(const std::string& name) = 0;
  virtual Result<ProviderOutline> outline_by_name(const std::string& name) = 0;
  virtual Result<std::vector<ProviderOutline>> outlines() = 0;  // by name
  // All but id, name, creation and the derived keys' scopes.  Code::conflict: the stored resource
  // version is not the row's.
  virtual Result<> update_provider(const ProviderRow& provider,
                                   const std::optional<RecordVersion>& profile = {}) = 0;
  virtual Result<bool> delete_provider(
      const std::string& name) = 0;  // Code::precondition while it is attached
  virtual Result<bool> attach(const std::string& sandbox, const std::string& provider) = 0;
  virtual Result<bool> detach(const std::string& sandbox, const std::string& provider) = 0;
  // ... of the sandbox with that id, whose resource version grows with it.  Code::conflict: it is
  // not the expected one.
  virtual Result<bool> attach_by_id(const AttachmentChange& change) = 0;
  virtual Result<bool> detach_by_id(const AttachmentChange& change) = 0;
  virtual Result<std::vector<ProviderRow>> providers_of(const std::string& sandbox_id) = 0;
  virtual Result<std::vector<ProviderOutline>> outlines_of(const std::string& sandbox_id) = 0;
  virtual Result<std::vector<std::string>> provider_names_of(const std::string& sandbox_id) = 0;

  // Where `row.version` is 0 the record must be new (else Code::exists); otherwise that version
  // must be there (else Code::conflict).  The new version.
  virtual Result<std::uint64_t> put_record(const RecordRow& row,
                                           const std::optional<ProviderCheck>& check = {}) = 0;
  // All of them or none.
  virtual Result<> put_records(const std::vector<RecordRow>& rows) = 0;
  virtual Result<RecordRow> record(const RecordKey& key) = 0;
  // By age.
  virtual Result<std::vector<RecordRow>> records(const std::string& kind,
                                                 const std::string& owner) = 0;
  virtual Result<bool> delete_record(const RecordKey& key,
                                     const std::optional<ProviderCheck>& check = {}) = 0;

  virtual Result<> add_token(const TokenRow& token) = 0;
  virtual Result<TokenStatus> token_status(const std::string& jti) = 0;
  // The new token and the old one's end, in one transaction.  A repeat (same old jti and refresh
  // id) revokes what the first answer carried, since nobody may have received it.
  virtual Result<> supersede(const std::string& old_jti, const std::string& refresh_id,
                             const TokenRow& next, TimePoint now) = 0;
  virtual Result<> note_use(const std::string& jti) = 0;  // the first use of a refreshed token ends
                                                          // the repeat of its refresh
  // Forgets tokens that have expired a day ago: clocks differ, and are set.
  virtual Result<> prune(TimePoint now) = 0;
};

// `database`: a file, made 0600 where it is absent, or postgresql://… for several replicas.  `key`
// seals the secrets.  `rule`: null asks nothing.  Errors: another key, a newer schema, a damaged
// file, no access.
Result<std::unique_ptr<Store>> open_store(const std::string& database, const Secret& key,
                                          GivenRule rule = nullptr);

}  // namespace keyward::gateway
