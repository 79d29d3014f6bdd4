#pragma once
// What proofs of identity are needed from whoever can ask the SPIFFE Workload API; identity/spiffe
// fills it.

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "identity/jwt/jwt_svid.hpp"

namespace keyward::identity {

struct JwtSvid {
  Secret token;
  JwtSvidClaims claims;
  std::string hint;  // the operator's word for the identity; may be empty
};

struct JwtSvidRequest {
  std::string audience;
  std::string spiffe_id;  // empty: the only identity that the agent has for this workload
};

class JwtSvidSource {
 public:
  virtual ~JwtSvidSource() = default;
  // Blocks for at most `patience`; any thread.  Errors: see AgentVerdict.
  virtual Result<JwtSvid> fetch_jwt_svid(const JwtSvidRequest& request,
                                         std::chrono::milliseconds patience) = 0;
};

// What TLS needs: PEM, the leaf first.
struct X509Svid {
  std::string spiffe_id, certificates_pem, bundle_pem;
  Secret key_pem;
  TimePoint begins, expires;
};

class X509SvidSource {
 public:
  virtual ~X509SvidSource() = default;
  // The current one, which the agent replaces in time.  Waits for at most `patience` where there is
  // none and the agent may give one yet; any thread.  Errors: see AgentVerdict.
  virtual Result<std::shared_ptr<const X509Svid>> x509_svid(std::chrono::milliseconds patience) = 0;
};

// Trust domain to its authorities, in PEM.
using X509Bundles = std::map<std::string, std::string>;

class X509BundleSource {
 public:
  virtual ~X509BundleSource() = default;
  // The current ones, of the own trust domain and of federated ones.  As x509_svid() waits.
  virtual Result<std::shared_ptr<const X509Bundles>> x509_bundles(
      std::chrono::milliseconds patience) = 0;
};

// What an error of the agent's means for who asks again.
enum class AgentVerdict {
  retry,           // Code::unavailable, Code::timeout: the agent is away or starting
  not_registered,  // Code::not_found: it has no entry for this workload, or not yet
  misconfigured    // everything else: asking again does not help
};
constexpr AgentVerdict agent_verdict(Code code) {
  if (code == Code::unavailable || code == Code::timeout) return AgentVerdict::retry;
  return code == Code::not_found ? AgentVerdict::not_registered : AgentVerdict::misconfigured;
}

}  // namespace keyward::identity
