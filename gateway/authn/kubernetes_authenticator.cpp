#include "gateway/authn/kubernetes_authenticator.hpp"

#include <algorithm>

#include "identity/jwt/issuer_token.hpp"
#include "identity/jwt/sandbox_token.hpp"

namespace keyward::gateway {
namespace {

using Validation = std::variant<PodClaims, identity::Declined, Error>;

constexpr const char* kubernetes_claim = "kubernetes.io";
constexpr std::string_view user_prefix = "system:serviceaccount:";

Error denied(std::string what) { return Error{Code::denied, std::move(what)}; }

bool names_us(const std::vector<std::string>& audiences) {
  return std::find(audiences.begin(), audiences.end(), service_account_audience) != audiences.end();
}

// A DNS name as Kubernetes takes it (RFC 1123), so that it can stand in a URL.
bool is_object_name(std::string_view name) {
  return !name.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

}  // namespace

Validation LocalServiceAccountTokens::validate(std::string_view token, std::string_view,
                                               TimePoint now) {
  auto document = keys_.keys(now);
  if (!document) return std::move(document).error();
  auto recognised = identity::IssuerToken::recognise(token, (*document)->issuer);
  if (auto* declined = std::get_if<identity::Declined>(&recognised)) return std::move(*declined);
  const auto& signed_token = std::get<identity::IssuerToken>(recognised);
  Result<std::optional<PublicKey>> key = keys_.find(signed_token.kid(), now);
  if (!key) return std::move(key).error();
  const std::optional<PublicKey>& found = *key;
  if (!found) return identity::Declined{"unknown signing key"};
  if (const auto problem = signed_token.problem(*found, service_account_audience, now))
    return Error{Code::unauthenticated, "invalid token: " + problem->reason};
  return PodClaims{signed_token.text({kubernetes_claim, "namespace"}),
                   signed_token.text({kubernetes_claim, "serviceaccount", "name"}),
                   signed_token.text({kubernetes_claim, "pod", "name"}),
                   signed_token.text({kubernetes_claim, "pod", "uid"})};
}

Validation ReviewedServiceAccountTokens::validate(std::string_view token, std::string_view source,
                                                  TimePoint now) {
  // What is not even meant for us is not worth a question.
  const auto recognised = identity::IssuerToken::recognise(token, "");
  const auto* unverified = std::get_if<identity::IssuerToken>(&recognised);
  if (unverified == nullptr || !names_us(unverified->texts({"aud"}))) return identity::Declined{};
  if (!of_source_.allow(source, now) || !questions_.allow("", now))
    return Error{Code::exhausted, "too many ServiceAccount tokens at once; try again"};
  Result<TokenReviewAnswer> answer = api_.review(token);
  if (!answer) return std::move(answer).error();
  if (!answer->authenticated) return identity::Declined{"the API server does not know it"};
  if (!names_us(answer->audiences))
    return Error{Code::unauthenticated, "SA token audience not accepted"};
  std::string_view user = answer->username;
  if (!user.starts_with(user_prefix)) return denied("not a ServiceAccount");
  user.remove_prefix(user_prefix.size());
  const auto colon = user.find(':');
  if (colon == std::string_view::npos) return denied("not a ServiceAccount");
  if (answer->pod_names.size() != 1 || answer->pod_uids.size() != 1)
    return denied("SA token is not pod-bound");
  return PodClaims{std::string(user.substr(0, colon)), std::string(user.substr(colon + 1)),
                   answer->pod_names[0], answer->pod_uids[0]};
}

Verdict KubernetesAuthenticator::authenticate(std::string_view bearer, const Presented& presented,
                                              TimePoint now) {
  if (bearer.empty() || presented.method != "IssueSandboxToken") return identity::Declined{};
  Validation validated = tokens_.validate(bearer, presented.source, now);
  if (auto* declined = std::get_if<identity::Declined>(&validated)) return std::move(*declined);
  if (auto* error = std::get_if<Error>(&validated)) return std::move(*error);
  return principal_of(std::get<PodClaims>(validated));
}

Verdict KubernetesAuthenticator::principal_of(const PodClaims& claims) {
  if (claims.service_account_namespace != rules_.sandbox_namespace ||
      claims.service_account != rules_.service_account)
    return denied("not the ServiceAccount of sandboxes");
  if (!is_object_name(claims.pod_name) || claims.pod_uid.empty())
    return denied("SA token is not pod-bound");
  // A token outlives its pod, also for the API server, which keeps answers for some seconds: only
  // the live pod says who it is.
  Result<Pod> pod = api_.pod(rules_.sandbox_namespace, claims.pod_name);
  if (!pod && pod.error().code == Code::not_found) return denied("sandbox pod not found");
  if (!pod) return std::move(pod).error();
  if (pod->uid != claims.pod_uid) return denied("SA token pod UID mismatch");
  if (!identity::is_uuid(pod->sandbox_id)) return denied("pod is not bound to a sandbox identity");
  Principal principal;
  principal.kind = PrincipalKind::sandbox;
  principal.sandbox_id = pod->sandbox_id;
  principal.proof = SandboxProof::service_account;
  return principal;
}

}  // namespace keyward::gateway
