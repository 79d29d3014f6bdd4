#include "gateway/user_authentication.hpp"

#include <sstream>

#include "base/file.hpp"
#include "base/log.hpp"
#include "gateway/authn/local_authenticators.hpp"
#include "gateway/authn/oidc_authenticator.hpp"
#include "gateway/k8s/api.hpp"
#include "gateway/oidc/discovery.hpp"
#include "gateway/rpc/server.hpp"

namespace keyward::gateway {
namespace {

constexpr const char* service_account_volume = "/var/run/secrets/kubernetes.io/serviceaccount";

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  std::istringstream rest(path);
  for (std::string part; std::getline(rest, part, '.');) parts.push_back(part);
  return parts;
}

JwksCache::Fetch logged(const char* issuer, JwksCache::Fetch fetch) {
  return [issuer, fetch = std::move(fetch)] {
    Result<IssuerKeys> fetched = fetch();
    if (fetched)
      log::info("issuer_keys_fetched", {{"issuer", issuer}});
    else
      log::warn("issuer_keys_not_fetched", {{"issuer", issuer}, {"detail", fetched.error().what}});
    return fetched;
  };
}

Result<OidcRules> oidc_rules(const ServeOptions& options) {
  TRY(check_issuer_url("--oidc-issuer", options.oidc_issuer));
  if (options.oidc_audience.empty())
    return fail(Code::invalid,
                "--oidc-audience: must name what tokens for this gateway carry in aud");
  OidcRules rules;
  rules.issuer = options.oidc_issuer;
  rules.audience = options.oidc_audience;
  rules.roles_claim = split(options.oidc_roles_claim);
  rules.scopes_claim = split(options.oidc_scopes_claim);
  rules.admin_role = options.oidc_admin_role;
  rules.user_role = options.oidc_user_role;
  return rules;
}

Result<std::unique_ptr<JwksCache>> oidc_keys(const ServeOptions& options) {
  identity::HttpSettings settings;
  if (!options.oidc_ca_file.empty()) {
    TRY_ASSIGN(settings.ca_pem, read_file(options.oidc_ca_file));
  }
  JwksTimes times;
  times.life = std::chrono::seconds(options.oidc_jwks_ttl_seconds);
  const DiscoverySource source{options.oidc_issuer, options.oidc_issuer, false};
  return std::make_unique<JwksCache>(
      logged("oidc", [settings, source] { return discover_keys(settings, source, Secret()); }),
      times);
}

Result<KubernetesAccess> kubernetes_access(const ServeOptions& options) {
  if (options.sandbox_namespace.empty() || options.sandbox_service_account.empty())
    return fail(Code::invalid,
                "--kubernetes: --sandbox-namespace and --sandbox-service-account must say whose "
                "tokens are taken");
  const std::string volume = service_account_volume;
  KubernetesAccess access{
      options.kubernetes_url, "",
      options.kubernetes_token_file.empty() ? volume + "/token" : options.kubernetes_token_file};
  if (access.url.empty()) {
    TRY_ASSIGN(access.url, in_cluster_url());
  }
  TRY(check_issuer_url("--kubernetes-url", access.url));
  if (access.url.ends_with('/')) access.url.pop_back();
  const std::string& ca = options.kubernetes_ca_file;
  TRY_ASSIGN(access.ca_pem, read_file(ca.empty() ? volume + "/ca.crt" : ca));
  TRY(read_file(access.token_file));  // that it is there is found out now
  return access;
}

Result<std::unique_ptr<Authenticator>> make_kubernetes(const ServeOptions& options,
                                                       Authentication& parts) {
  TRY_ASSIGN(const KubernetesAccess access, kubernetes_access(options));
  parts.kubernetes = make_kubernetes_api(access);
  if (options.kubernetes_token_review) {
    parts.service_accounts = std::make_unique<ReviewedServiceAccountTokens>(*parts.kubernetes);
  } else {
    parts.cluster_keys = std::make_unique<JwksCache>(
        logged("kubernetes", [access] { return cluster_keys(access); }));
    parts.service_accounts = std::make_unique<LocalServiceAccountTokens>(*parts.cluster_keys);
  }
  return std::make_unique<KubernetesAuthenticator>(
      KubernetesRules{options.sandbox_namespace, options.sandbox_service_account},
      *parts.service_accounts, *parts.kubernetes);
}

Result<> check(const ServeOptions& options) {
  if (options.mtls_users && options.plaintext_loopback)
    return fail(Code::invalid, "--mtls-users: there are no certificates without TLS");
  if (options.allow_unauthenticated_users && !is_loopback(options.listen))
    return fail(Code::denied,
                "--allow-unauthenticated-users: only where --listen is a loopback address; "
                "whoever reaches it may do everything");
  return {};
}

}  // namespace

Result<Authentication> make_authentication(const ServeOptions& options,
                                           std::unique_ptr<Authenticator> sandboxes,
                                           const Clock& clock) {
  TRY(check(options));
  Authentication parts;
  std::vector<std::unique_ptr<Authenticator>> chain;
  if (options.kubernetes) {
    TRY_ASSIGN(auto kubernetes, make_kubernetes(options, parts));
    chain.push_back(std::move(kubernetes));
  }
  chain.push_back(std::move(sandboxes));
  if (!options.oidc_issuer.empty()) {
    TRY_ASSIGN(OidcRules rules, oidc_rules(options));
    TRY_ASSIGN(parts.oidc_keys, oidc_keys(options));
    chain.push_back(std::make_unique<OidcAuthenticator>(std::move(rules), *parts.oidc_keys));
  }
  if (options.mtls_users) chain.push_back(std::make_unique<CertificateAuthenticator>());
  if (options.allow_unauthenticated_users) {
    log::warn("unauthenticated_users",
              {{"effect", "everybody who reaches this address may do everything"}});
    chain.push_back(std::make_unique<DevelopmentAuthenticator>());
  }
  for (JwksCache* keys : {parts.oidc_keys.get(), parts.cluster_keys.get()})
    if (keys != nullptr) (void)keys->keys(clock.now());  // said by the fetch
  parts.chain = std::make_unique<AuthenticatorChain>(std::move(chain));
  return parts;
}

}  // namespace keyward::gateway
