#pragma once
// Sandboxes by the projected ServiceAccount token of their pod (Kubernetes, "Managing Service
// Accounts"; TokenRequest API).  Good for IssueSandboxToken and for nothing else.

#include <memory>
#include <string>
#include <variant>

#include "gateway/authn/authenticator.hpp"
#include "gateway/authn/jwks_cache.hpp"
#include "gateway/authn/rate_limiter.hpp"

namespace keyward::gateway {

constexpr std::string_view service_account_audience = "openshell-gateway";

// Whom a valid token was issued for.
struct PodClaims {
  std::string service_account_namespace, service_account, pod_name, pod_uid;
};

// The two ways to validate a token.
class ServiceAccountTokens {
 public:
  virtual ~ServiceAccountTokens() = default;
  // Declined: not a token of this cluster.  `source`: who presents it, to be counted.
  virtual std::variant<PodClaims, identity::Declined, Error> validate(std::string_view token,
                                                                      std::string_view source,
                                                                      TimePoint now) = 0;
};

// By the API server's public keys: the signature and the claims, here.
class LocalServiceAccountTokens final : public ServiceAccountTokens {
 public:
  explicit LocalServiceAccountTokens(JwksCache& keys) : keys_(keys) {}
  std::variant<PodClaims, identity::Declined, Error> validate(std::string_view token,
                                                              std::string_view source,
                                                              TimePoint now) override;

 private:
  JwksCache& keys_;
};

// What the API server answers to a TokenReview (authentication.k8s.io/v1).
struct TokenReviewAnswer {
  bool authenticated = false;
  std::string username;  // system:serviceaccount:NAMESPACE:NAME
  std::vector<std::string> audiences, pod_names, pod_uids;
};
struct Pod {
  std::string uid, sandbox_id;  // sandbox_id: the annotation openshell.io/sandbox-id
};
class KubernetesApi {
 public:
  virtual ~KubernetesApi() = default;
  virtual Result<TokenReviewAnswer> review(std::string_view token) = 0;
  virtual Result<Pod> pod(const std::string& in_namespace, const std::string& name) = 0;
};

// By asking the API server about each token.
class ReviewedServiceAccountTokens final : public ServiceAccountTokens {
 public:
  explicit ReviewedServiceAccountTokens(KubernetesApi& api) : api_(api) {}
  std::variant<PodClaims, identity::Declined, Error> validate(std::string_view token,
                                                              std::string_view source,
                                                              TimePoint now) override;

 private:
  KubernetesApi& api_;
  // Whoever sends rubbish does not make us flood the API server, nor use up what others may ask.
  RateLimiter questions_{{20, 40}}, of_source_{{5, 20}};
};

struct KubernetesRules {
  std::string sandbox_namespace, service_account;
};

class KubernetesAuthenticator final : public Authenticator {
 public:
  // `tokens` may be made of `api`; both outlive the authenticator.
  KubernetesAuthenticator(KubernetesRules rules, ServiceAccountTokens& tokens, KubernetesApi& api)
      : rules_(std::move(rules)), tokens_(tokens), api_(api) {}
  Verdict authenticate(std::string_view bearer, const Presented& presented, TimePoint now) override;

 private:
  Verdict principal_of(const PodClaims& claims);

  const KubernetesRules rules_;
  ServiceAccountTokens& tokens_;
  KubernetesApi& api_;
};

}  // namespace keyward::gateway
