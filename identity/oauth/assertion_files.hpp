#pragma once
// ServiceAccount tokens that a kubelet keeps in files, as assertions (RFC 7523) in place of
// JWT-SVIDs.

#include <map>
#include <string>

#include "base/clock.hpp"
#include "identity/oauth/svid_grants.hpp"

namespace keyward::identity {

// Any thread.
class AssertionFiles final : public AssertionTokens {
 public:
  // Each file's path, by the audience that its tokens have.  The clock outlives it.
  AssertionFiles(std::map<std::string, std::string> paths, const Clock& clock)
      : paths_(std::move(paths)), clock_(clock) {}

  // Reads the file anew each time, since the kubelet replaces it, and checks what is in it
  // (check_service_account_token).  Code::precondition: no file is for this audience.
  Result<JwtSvid> assertion_for(const std::string& audience) override;

 private:
  const std::map<std::string, std::string> paths_;
  const Clock& clock_;
};

}  // namespace keyward::identity
