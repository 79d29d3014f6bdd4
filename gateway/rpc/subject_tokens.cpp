#include "gateway/rpc/subject_tokens.hpp"

#include <algorithm>

#include "gateway/rpc/grants.hpp"
#include "gateway/rpc/profiles.hpp"
#include "identity/grant/answer.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;

tl::unexpected<Error> no_such_grant() {
  return fail(Code::not_found, "the sandbox has no provider with such a token grant");
}

Result<std::string> variable_of(Store& store, const ProviderRow& provider,
                                const std::string& credential) {
  TRY_ASSIGN(const v1::ProviderProfile profile, find_profile(store, provider.type));
  for (const v1::ProviderProfileCredential& each : profile.credentials())
    if (each.name() == credential && each.has_token_grant())
      if (auto variable = subject_variable(profile, each); variable) return variable;
  return no_such_grant();
}

// The earlier one of what the provider and the token say.
std::optional<TimePoint> end_of(const ProviderRow& provider, const std::string& variable,
                                const Secret& token) {
  std::optional<TimePoint> end = identity::expiry_of_jwt(token.reveal());
  if (const auto stated = provider.expires.find(variable); stated != provider.expires.end()) {
    const TimePoint time{std::chrono::milliseconds(stated->second)};
    end = end ? std::min(*end, time) : time;
  }
  return end;
}

}  // namespace

Result<> get_subject_token(const CallContext& call,
                           const v1::GetSandboxSubjectTokenRequest& request,
                           v1::GetSandboxSubjectTokenResponse& response) {
  TRY_ASSIGN(const auto providers, call.store().providers_of(request.sandbox_id()));
  const auto provider =
      std::find_if(providers.begin(), providers.end(),
                   [&](const ProviderRow& row) { return row.name == request.provider(); });
  if (provider == providers.end()) return no_such_grant();
  TRY_ASSIGN(const std::string variable,
             variable_of(call.store(), *provider, request.credential()));
  const std::string remedy =
      "; then: gateway provider update " + provider->name + " --from-file FILE";
  const auto token = provider->credentials.find(variable);
  if (token == provider->credentials.end())
    return fail(Code::precondition, "provider '" + provider->name + "' has no user's token (" +
                                        variable + ")" + remedy);
  const std::optional<TimePoint> end = end_of(*provider, variable, token->second);
  if (end && *end <= call.now())
    return fail(Code::precondition, "the user's token of provider '" + provider->name + "' (" +
                                        variable + ") has ended" + remedy);
  response.set_token(std::string(token->second.reveal()));
  if (end) response.set_expires_at_ms(unix_millis(*end));
  return {};
}

}  // namespace keyward::gateway
