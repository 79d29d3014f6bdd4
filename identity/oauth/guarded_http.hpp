#pragma once
// Requests to servers that a grant names.

#include "identity/oauth/token_client.hpp"

namespace keyward::identity {

struct AnswerLimits {
  std::size_t body = 0;                   // bytes
  std::chrono::milliseconds deadline{0};  // for everything
  std::stop_token stop;                   // as in HttpSettings
};

// To a URL that check_token_url has passed: its addresses are checked before one is dialled, and
// trust and pins are the settings'.
Result<HttpResponse> send_guarded(const TokenClientSettings& settings, const HttpRequest& request,
                                  const AnswerLimits& limits);

// What it means for the grant that a server was not reached: it is away, or must not be asked.
GrantFailure transport_failure(Error error);

}  // namespace keyward::identity
