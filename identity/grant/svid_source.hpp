#pragma once
// What token grants need from whoever can ask the SPIFFE Workload API; identity/spiffe fills it.

#include <chrono>
#include <string>

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
