#include "supervisor/token_check.hpp"

namespace keyward::supervisor {

Result<> check_token(const GatewaySettings& settings, const identity::Token& token, TimePoint now) {
  if (!settings.sandbox_id.empty() && settings.sandbox_id != token.sandbox_id)
    return fail(Code::invalid, "OPENSHELL_SANDBOX_ID: is " + settings.sandbox_id +
                                   ", but the token is sandbox " + token.sandbox_id + "'s");
  if (token.expires <= now)
    return fail(Code::unauthenticated, "the gateway token has expired at " +
                                           iso_time(token.expires) +
                                           "; `gateway sandbox token NAME` issues a new one");
  return {};
}

}  // namespace keyward::supervisor
