#include "gateway/rpc/inference.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "gateway/rpc/grants.hpp"
#include "gateway/rpc/names.hpp"
#include "gateway/rpc/policy_rows.hpp"
#include "gateway/rpc/profiles.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::inference::v1;
using Profile = openshell::v1::ProviderProfile;

constexpr const char* kind = "route";
constexpr std::size_t model_limit = 256;
constexpr std::uint64_t timeout_limit = 3600;  // seconds

std::string name_of(const std::string& asked) { return asked.empty() ? "inference.local" : asked; }

Result<v1::GetInferenceRouteResponse> read_route(const RecordRow& row) {
  v1::GetInferenceRouteResponse route;
  if (!route.ParseFromString(row.body)) return fail(Code::internal, "a stored route is unreadable");
  route.set_route_name(row.key.name);
  route.set_version(row.version);
  route.set_workspace(default_workspace);
  return route;
}

Result<> check_route_name(const std::string& name) {
  if (name == "inference.local") return {};
  return check_name("route", name);
}

// https://HOST[:PORT][/PATH] of the profile's first endpoint.
Result<std::string> base_url_of(const Profile& profile) {
  if (!profile.inference_capable() || profile.endpoints().empty())
    return fail(Code::precondition, "the provider's profile '" + profile.id() +
                                        "' is not for inference: inference_capable and an endpoint "
                                        "are needed");
  const auto& endpoint = profile.endpoints(0);
  if (endpoint.host().find('*') != std::string::npos)
    return fail(Code::precondition,
                "the profile's first endpoint is a pattern; inference needs one host");
  const std::uint32_t port = endpoint.ports().empty() ? endpoint.port() : endpoint.ports(0);
  std::string url = "https://" + endpoint.host();
  if (port != 443) url += ":" + std::to_string(port);
  const std::string& path = endpoint.path();
  return url + path.substr(0, path.find_first_of("*?["));
}

// Which of the well-known shapes of requests the host speaks.
std::vector<std::string> protocols_of(const Profile& profile) {
  if (profile.id().starts_with("anthropic")) return {"anthropic_messages", "model_discovery"};
  return {"openai_chat_completions", "openai_completions", "openai_responses", "openai_embeddings",
          "model_discovery"};
}

// The first of the profile's credentials that the provider has, and that is no user's token.
const Secret* key_of(const Profile& profile, const ProviderRow& provider) {
  const std::set<std::string> withheld = subject_variables(profile);
  for (const auto& credential : profile.credentials())
    for (const std::string& variable : credential.env_vars())
      if (const auto found = provider.credentials.find(variable);
          found != provider.credentials.end() && withheld.count(variable) == 0)
        return &found->second;
  return nullptr;
}

// A route gives a credential away as it is.
Result<> check_hands_out(const ProviderFacts& provider) {
  if (provider.derived_keys.empty()) return {};
  return fail(Code::precondition, "provider '" + provider.name +
                                      "' hands out derived keys only; its secret stays here");
}

Result<v1::ResolvedRoute> resolve(const CallContext& call, const ProviderRow& provider,
                                  const v1::GetInferenceRouteResponse& route) {
  TRY(check_hands_out(provider));
  TRY_ASSIGN(const Profile profile, find_profile(call.store(), provider.type));
  TRY_ASSIGN(const std::string url, base_url_of(profile));
  v1::ResolvedRoute resolved;
  resolved.set_name(route.route_name());
  resolved.set_base_url(url);
  for (const std::string& protocol : protocols_of(profile)) resolved.add_protocols(protocol);
  if (const Secret* key = key_of(profile, provider); key != nullptr)
    resolved.set_api_key(std::string(key->reveal()));
  resolved.set_model_id(route.model_id());
  resolved.set_provider_type(provider.type);
  resolved.set_timeout_secs(route.timeout_secs());
  return resolved;
}

}  // namespace

Result<> get_bundle(const CallContext& call, const v1::GetInferenceBundleRequest&,
                    v1::GetInferenceBundleResponse& response) {
  TRY_ASSIGN(const auto providers, call.store().providers_of(call.caller.sandbox_id));
  TRY_ASSIGN(const auto rows, call.store().records(kind, ""));
  for (const RecordRow& row : rows) {
    TRY_ASSIGN(const v1::GetInferenceRouteResponse route, read_route(row));
    for (const ProviderRow& provider : providers) {
      if (provider.name != route.provider_name()) continue;
      auto resolved = resolve(call, provider, route);
      // No route any more: its profile has changed or is gone, or the provider is another one.
      if (!resolved &&
          (resolved.error().code == Code::precondition || resolved.error().code == Code::not_found))
        continue;
      if (!resolved) return tl::unexpected(resolved.error());
      *response.add_routes() = std::move(*resolved);
    }
  }
  std::string text = serialize(response);
  const Secret content = Secret::take(text);
  response.set_revision(hex(sha256(content.reveal())).substr(0, 16));
  response.set_generated_at_ms(unix_millis(call.now()));
  return {};
}

Result<> set_route(const CallContext& call, const v1::SetInferenceRouteRequest& request,
                   v1::SetInferenceRouteResponse& response) {
  TRY(check_workspace(request.workspace()));
  const std::string name = name_of(request.route_name());
  TRY(check_route_name(name));
  if (request.verify())
    return fail(Code::unsupported, "verify: the gateway does not call models; send no_verify");
  if (request.model_id().empty() || request.model_id().size() > model_limit)
    return fail(Code::invalid, "model_id: 1 to 256 bytes");
  if (request.timeout_secs() > timeout_limit)
    return fail(Code::invalid, "timeout_secs: at most 3600");
  TRY_ASSIGN(const ProviderOutline provider, call.store().outline_by_name(request.provider_name()));
  TRY(check_hands_out(provider));
  TRY_ASSIGN(const Profile profile, find_profile(call.store(), provider.type));
  TRY(base_url_of(profile));
  v1::GetInferenceRouteResponse route;
  route.set_provider_name(provider.name);
  route.set_model_id(request.model_id());
  route.set_timeout_secs(request.timeout_secs());
  const auto there = call.store().record({kind, "", name});
  if (!there && there.error().code != Code::not_found) return tl::unexpected(there.error());
  TRY_ASSIGN(const std::uint64_t version,
             call.store().put_record(
                 {{kind, "", name}, serialize(route), call.now(), there ? there->version : 0}));
  response.set_provider_name(provider.name);
  response.set_model_id(request.model_id());
  response.set_version(version);
  response.set_route_name(name);
  response.set_timeout_secs(request.timeout_secs());
  response.set_workspace(default_workspace);
  return {};
}

Result<> get_route(const CallContext& call, const v1::GetInferenceRouteRequest& request,
                   v1::GetInferenceRouteResponse& response) {
  TRY(check_workspace(request.workspace()));
  TRY_ASSIGN(const RecordRow row, call.store().record({kind, "", name_of(request.route_name())}));
  TRY_ASSIGN(response, read_route(row));
  return {};
}

Result<> delete_route(const CallContext& call, const v1::DeleteInferenceRouteRequest& request,
                      v1::DeleteInferenceRouteResponse& response) {
  TRY(check_workspace(request.workspace()));
  TRY_ASSIGN(const bool deleted,
             call.store().delete_record({kind, "", name_of(request.route_name())}));
  response.set_deleted(deleted);
  return {};
}

}  // namespace keyward::gateway
