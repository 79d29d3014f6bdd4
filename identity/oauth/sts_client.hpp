#pragma once
// Asks STS, which may be anybody's, for the keys of a grant's roles.

#include "identity/oauth/svid_grants.hpp"

namespace keyward::identity {

class StsClient final : public KeyIssuer {
 public:
  // The clocks outlive it.  settings.deadline is for all roles of a grant together.
  StsClient(TokenClientSettings settings, const Clock& wall, const MonotonicClock& clock)
      : settings_(std::move(settings)), wall_(wall), clock_(clock) {}

  // The keys of the last role.  Nothing is kept in between.
  tl::expected<GrantedKeys, GrantFailure> assume(const Grant& grant, const JwtSvid& svid) override;
  // For the end: what is under way fails at once, and so does what comes later.
  void cancel() { stop_.request_stop(); }

 private:
  tl::expected<GrantedKeys, GrantFailure> ask(const HttpRequest& request, BootTime end) const;

  const TokenClientSettings settings_;
  const Clock& wall_;
  const MonotonicClock& clock_;
  std::stop_source stop_;
};

}  // namespace keyward::identity
