#pragma once
// Users' tokens for token exchanges (RFC 8693), from the gateway that keeps them.  Each is asked
// for when it is exchanged and held no longer.

#include <functional>
#include <shared_mutex>
#include <string>

#include "identity/oauth/svid_grants.hpp"
#include "identity/rpc/gateway_client.hpp"

namespace keyward::supervisor {

// Any thread.
class UserTokens final : public identity::SubjectTokens {
 public:
  // Of the provider and its credential that has the grant.
  using Ask = std::function<identity::RpcResult<identity::UserToken>(
      const std::string& provider, const std::string& credential)>;

  // Whom to ask from now on; null: nobody.  Returns when nobody is asked any more by the one
  // before.
  void ask(Ask ask);

  // Code::unavailable where the gateway has no token that is good, too: somebody may give it one.
  Result<identity::SubjectToken> subject_for(const identity::Grant& grant) override;

 private:
  std::shared_mutex mutex_;  // held while somebody is asked
  Ask ask_;
};

}  // namespace keyward::supervisor
