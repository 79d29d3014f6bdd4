#include "gateway/rpc/profile_lint.hpp"

#include <set>

#include "base/bytes.hpp"
#include "gateway/rpc/grant_lint.hpp"
#include "gateway/rpc/names.hpp"
#include "gateway/rpc/policy_rows.hpp"
#include "gateway/rpc/profiles.hpp"
#include "netproxy/endpoint_binding.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

constexpr int credentials_limit = 32, endpoints_limit = 64;
constexpr std::size_t profile_limit = 65'536;  // bytes, serialized

class Linter {
 public:
  Linter(const v1::ProviderProfileImportItem& item, Diagnostics& found)
      : item_(item), found_(found) {}

  void look() {
    const v1::ProviderProfile& profile = item_.profile();
    hold("id", check_name("profile", profile.id()));
    if (profile.ByteSizeLong() > profile_limit) say("", "the profile is longer than 65536 bytes");
    if (profile.credentials_size() > credentials_limit) say("credentials", "more than 32");
    if (profile.endpoints_size() > endpoints_limit) say("endpoints", "more than 64");
    for (const auto& credential : profile.credentials()) look_at(credential);
    look_at_endpoints(profile);
    lint_grants(profile, [&](const auto& field, const auto& message) { say(field, message); });
  }

 private:
  void say(const std::string& field, const std::string& message) {
    auto& diagnostic = *found_.Add();
    diagnostic.set_source(item_.source());
    diagnostic.set_profile_id(item_.profile().id());
    diagnostic.set_field(field);
    diagnostic.set_message(message);
    diagnostic.set_severity("error");
  }
  void hold(const std::string& field, const Result<>& checked) {
    if (!checked) say(field, checked.error().what);
  }

  void look_at(const v1::ProviderProfileCredential& credential) {
    const std::string field = "credentials." + std::string(utf8_prefix(credential.name(), 64));
    if (credential.name().empty()) say("credentials", "a credential has no name");
    if (!names_.insert(credential.name()).second) say(field, "the name is there twice");
    for (const std::string& variable : credential.env_vars()) {
      hold(field + ".env_vars", check_variable(variable));
      if (!variables_.insert(variable).second)
        say(field + ".env_vars", "two credentials would set the same variable");
    }
    if (credential.env_vars().empty() && !credential.has_token_grant())
      say(field + ".env_vars", "names the variable that holds the credential; there is none");
    if (!credential.query_param().empty()) say(field + ".query_param", unserved);
    if (!credential.path_template().empty()) say(field + ".path_template", unserved);
    const auto strategy = credential.refresh().strategy();
    if (strategy != v1::PROVIDER_CREDENTIAL_REFRESH_STRATEGY_UNSPECIFIED &&
        strategy != v1::PROVIDER_CREDENTIAL_REFRESH_STRATEGY_STATIC &&
        strategy != v1::PROVIDER_CREDENTIAL_REFRESH_STRATEGY_EXTERNAL)
      say(field + ".refresh.strategy", unserved);
  }

  // As a policy would have them, and as bindings.
  void look_at_endpoints(const v1::ProviderProfile& profile) {
    if (profile.endpoints().empty()) return;
    WirePolicy policy;
    policy.set_version(1);
    auto& rule = (*policy.mutable_network_policies())["profile"];
    *rule.mutable_endpoints() = profile.endpoints();
    *rule.mutable_binaries() = profile.binaries();
    const auto row = policy_row(policy, {});
    if (!row) say("endpoints", row.error().what);
    for (const std::string& binding : bindings_of(profile)) {
      const auto parsed = netproxy::parse_binding(binding);
      if (!parsed) say("endpoints", parsed.error().what);
    }
  }

  static constexpr const char* unserved = "is not served by this version";

  const v1::ProviderProfileImportItem& item_;
  Diagnostics& found_;
  std::set<std::string> names_, variables_;
};

}  // namespace

void lint(const v1::ProviderProfileImportItem& item, Diagnostics& found) {
  Linter(item, found).look();
}

}  // namespace keyward::gateway
