#include "gateway/rpc/profiles.hpp"

#include <array>
#include <set>

#include "base/bytes.hpp"
#include "gateway/rpc/grants.hpp"
#include "gateway/rpc/list_answer.hpp"
#include "gateway/rpc/policy_rows.hpp"
#include "gateway/rpc/profile_lint.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

constexpr const char* kind = profile_kind;
constexpr std::size_t profiles_limit = 200;

v1::ProviderProfileCredential credential(const std::string& name, const char* variable,
                                         bool required) {
  v1::ProviderProfileCredential made;
  made.set_name(name);
  made.add_env_vars(variable);
  made.set_required(required);
  return made;
}

v1::ProviderProfile aws_profile() {
  v1::ProviderProfile profile;
  profile.set_id("aws");
  profile.set_display_name("Amazon Web Services");
  profile.set_category(v1::PROVIDER_PROFILE_CATEGORY_DATA);
  *profile.add_credentials() = credential("access_key_id", "AWS_ACCESS_KEY_ID", true);
  *profile.add_credentials() = credential("secret_access_key", "AWS_SECRET_ACCESS_KEY", true);
  *profile.add_credentials() = credential("session_token", "AWS_SESSION_TOKEN", false);
  for (const char* host : {"**.amazonaws.com", "**.amazonaws.com.cn", "**.api.aws", "**.on.aws"}) {
    auto& endpoint = *profile.add_endpoints();
    endpoint.set_host(host);
    endpoint.set_port(443);
  }
  return profile;
}

v1::ProviderProfile generic_profile() {
  v1::ProviderProfile profile;
  profile.set_id("generic");
  profile.set_display_name("Any credentials, bound where the provider says");
  profile.set_category(v1::PROVIDER_PROFILE_CATEGORY_OTHER);
  return profile;
}

std::vector<v1::ProviderProfile> built_in() {
  std::vector<v1::ProviderProfile> profiles = {aws_profile(), generic_profile()};
  for (v1::ProviderProfile& profile : profiles) {
    profile.set_source("builtin");
    profile.set_scope("platform");
  }
  return profiles;
}

RecordKey key_of(const std::string& id) { return {kind, "", id}; }

bool is_built_in(const std::string& id) { return id == "aws" || id == "generic"; }

// Without what only the gateway says.
std::string body_of(v1::ProviderProfile profile) {
  profile.clear_resource_version();
  profile.clear_source();
  profile.clear_scope();
  return serialize(profile);
}

void say(Diagnostics& found, const std::string& id, const std::string& message,
         const char* field = "id") {
  auto& diagnostic = *found.Add();
  diagnostic.set_profile_id(id);
  diagnostic.set_field(field);
  diagnostic.set_message(message);
  diagnostic.set_severity("error");
}

// Each for itself, and all together.
template <class Items>
Diagnostics lint_all(const Items& items) {
  Diagnostics found;
  std::set<std::string> ids;
  for (const v1::ProviderProfileImportItem& item : items) {
    lint(item, found);
    const std::string& id = item.profile().id();
    if (!ids.insert(id).second) say(found, id, "the same profile is there twice");
    if (is_built_in(id)) say(found, id, "is built in; give yours another id");
  }
  return found;
}

// What the providers of this type would lose.
void lint_for(const std::vector<ProviderOutline>& providers, const v1::ProviderProfile& profile,
              Diagnostics& found) {
  std::set<std::string_view> known;
  for (const auto& credential : profile.credentials())
    known.insert(credential.env_vars().begin(), credential.env_vars().end());
  for (const ProviderOutline& provider : providers) {
    const std::string whose = "provider '" + provider.name + "' ";
    if (provider.bindings.empty() && profile.endpoints().empty())
      say(found, profile.id(), whose + "would be bound nowhere", "endpoints");
    if (provider.variables.empty() && !has_grants(profile))
      say(found, profile.id(), whose + "has no credentials, and would be granted none",
          "credentials");
    if (profile.credentials().empty()) continue;  // any
    for (const std::string& name : provider.variables)
      if (known.count(name) == 0)
        say(found, profile.id(), whose + "has " + name + ", which would be no credential of it",
            "credentials");
  }
}

// Refused by the rule of what sandboxes are given (grants_rule).
bool is_refused(const Result<>& put, const std::string& id, Diagnostics& found) {
  if (put || put.error().code != Code::precondition) return false;
  say(found, id, put.error().what, "credentials");
  return true;
}

}  // namespace

Result<v1::ProviderProfile> read_profile(const RecordRow& row) {
  v1::ProviderProfile profile;
  if (!profile.ParseFromString(row.body))
    return fail(Code::internal, "a stored profile is unreadable");
  profile.set_resource_version(row.version);
  profile.set_source("user");
  profile.set_scope("workspace");
  return profile;
}

Result<v1::ProviderProfile> find_profile(Store& store, const std::string& id) {
  for (v1::ProviderProfile& profile : built_in())
    if (profile.id() == id) return std::move(profile);
  const auto row = store.record(key_of(id));
  if (row) return read_profile(*row);
  if (row.error().code != Code::not_found) return tl::unexpected(row.error());
  return fail(Code::not_found,
              "provider profile '" + std::string(utf8_prefix(id, 63)) +
                  "' not found; built in are aws and generic, others are imported");
}

std::optional<RecordVersion> version_of(const v1::ProviderProfile& profile) {
  if (is_built_in(profile.id())) return std::nullopt;
  return RecordVersion{key_of(profile.id()), profile.resource_version()};
}

std::vector<std::string> bindings_of(const v1::ProviderProfile& profile) {
  std::vector<std::string> bindings;
  const auto add = [&](const openshell::sandbox::v1::NetworkEndpoint& endpoint,
                       std::uint32_t port) {
    const std::string& path = endpoint.path();
    bindings.push_back(endpoint.host() + ":" + std::to_string(port) + (path == "**" ? "" : path));
  };
  for (const auto& endpoint : profile.endpoints()) {
    // As in a policy: where there are `ports`, `port` says nothing.
    for (const std::uint32_t port : endpoint.ports()) add(endpoint, port);
    if (endpoint.ports().empty() && endpoint.port() != 0) add(endpoint, endpoint.port());
  }
  return bindings;
}

Result<> list_profiles(const CallContext& call, const v1::ListProviderProfilesRequest& request,
                       v1::ListProviderProfilesResponse& response) {
  TRY(check_workspace(request.workspace()));
  std::vector<v1::ProviderProfile> profiles = built_in();
  TRY_ASSIGN(const auto rows, call.store().records(kind, ""));
  for (const RecordRow& row : rows) {
    TRY_ASSIGN(v1::ProviderProfile profile, read_profile(row));
    profiles.push_back(std::move(profile));
  }
  cut_page(profiles, request.limit(), request.offset());
  AnswerSpace space;
  for (v1::ProviderProfile& profile : profiles) {
    if (!space.takes(profile)) break;
    *response.add_profiles() = std::move(profile);
  }
  return {};
}

Result<> get_profile(const CallContext& call, const v1::GetProviderProfileRequest& request,
                     v1::ProviderProfileResponse& response) {
  TRY(check_workspace(request.workspace()));
  TRY_ASSIGN(*response.mutable_profile(), find_profile(call.store(), request.id()));
  return {};
}

Result<> import_profiles(const CallContext& call, const v1::ImportProviderProfilesRequest& request,
                         v1::ImportProviderProfilesResponse& response) {
  TRY(check_workspace(request.workspace()));
  *response.mutable_diagnostics() = lint_all(request.profiles());
  TRY_ASSIGN(const auto there, call.store().records(kind, ""));
  for (const auto& item : request.profiles())
    for (const RecordRow& row : there)
      if (row.key.name == item.profile().id())
        say(*response.mutable_diagnostics(), row.key.name, "is there already; update it");
  if (there.size() + static_cast<std::size_t>(request.profiles_size()) > profiles_limit)
    return fail(Code::exhausted, "more than 200 provider profiles");
  if (!response.diagnostics().empty()) return {};
  std::vector<RecordRow> rows;
  for (const auto& item : request.profiles())
    rows.push_back({key_of(item.profile().id()), body_of(item.profile()), call.now(), 0});
  const auto put = call.store().put_records(rows);
  const std::string one = request.profiles_size() == 1 ? request.profiles(0).profile().id() : "";
  if (is_refused(put, one, *response.mutable_diagnostics())) return {};
  TRY(put);
  for (const auto& item : request.profiles()) {
    TRY_ASSIGN(*response.add_profiles(), find_profile(call.store(), item.profile().id()));
  }
  response.set_imported(true);
  return {};
}

Result<> update_profile(const CallContext& call, const v1::UpdateProviderProfilesRequest& request,
                        v1::UpdateProviderProfilesResponse& response) {
  TRY(check_workspace(request.workspace()));
  const v1::ProviderProfile& profile = request.profile().profile();
  if (request.id() != profile.id())
    return fail(Code::invalid, "id must be that of the profile in the request");
  const std::uint64_t expected = request.expected_resource_version() != 0
                                     ? request.expected_resource_version()
                                     : profile.resource_version();
  if (expected == 0) return fail(Code::invalid, "expected_resource_version is required");
  Diagnostics& found = *response.mutable_diagnostics();
  found = lint_all(std::array{request.profile()});
  if (!found.empty()) return {};
  TRY(call.store().record(key_of(profile.id())));
  const ProviderCheck check{profile.id(), [&](const auto& providers) -> Result<> {
                              found.Clear();
                              lint_for(providers, profile, found);
                              if (found.empty()) return {};
                              return fail(Code::precondition, "providers rely on what it was");
                            }};
  const RecordRow row{key_of(profile.id()), body_of(profile), call.now(), expected};
  const Result<> put = call.store().put_record(row, check).map([](std::uint64_t) {});
  if (!found.empty() || is_refused(put, profile.id(), found)) return {};
  TRY(put);
  TRY_ASSIGN(*response.mutable_profile(), find_profile(call.store(), profile.id()));
  response.set_updated(true);
  return {};
}

Result<> lint_profiles(const CallContext&, const v1::LintProviderProfilesRequest& request,
                       v1::LintProviderProfilesResponse& response) {
  TRY(check_workspace(request.workspace()));
  *response.mutable_diagnostics() = lint_all(request.profiles());
  response.set_valid(response.diagnostics().empty());
  return {};
}

Result<> delete_profile(const CallContext& call, const v1::DeleteProviderProfileRequest& request,
                        v1::DeleteProviderProfileResponse& response) {
  TRY(check_workspace(request.workspace()));
  if (is_built_in(request.id()))
    return fail(Code::precondition, "the profile is built in and cannot be deleted");
  const ProviderCheck unused{request.id(), [](const auto& providers) -> Result<> {
                               if (providers.empty()) return {};
                               return fail(Code::precondition, "provider '" + providers[0].name +
                                                                   "' has this profile as its "
                                                                   "type; delete it first");
                             }};
  TRY_ASSIGN(const bool deleted, call.store().delete_record(key_of(request.id()), unused));
  if (!deleted) return fail(Code::not_found, "provider profile not found");
  response.set_deleted(true);
  return {};
}

}  // namespace keyward::gateway
