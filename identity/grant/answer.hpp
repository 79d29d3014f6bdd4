#pragma once
// What a token endpoint answers, which may be anything (RFC 6749 sections 5.1 and 5.2, RFC 8693
// section 2.2).  Pure.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "identity/grant/grant.hpp"

namespace keyward::identity {

constexpr std::size_t grant_answer_limit = 64 << 10;                  // bytes of body
constexpr std::chrono::seconds unstated_lifetime{300};                // where expires_in is absent
constexpr std::chrono::seconds longest_stated_lifetime{315'360'000};  // ten years: beyond is absurd

bool is_json(std::string_view content_type);  // application/json, whatever its parameters

struct GrantAnswerView {
  int status = 0;
  std::string_view content_type, retry_after, body;
};

struct GrantedToken {
  Secret token;                      // token68
  std::chrono::seconds lifetime{0};  // at least 1
  std::string scope;                 // as granted; empty: as asked for
};

// A refusal or an answer that is not used.  `error.code`: unauthenticated (invalid_client,
// invalid_grant: another proof may help), precondition (the grant is configured wrongly),
// unavailable (try again later), denied (the answer breaks the rules).
struct GrantFailure {
  Error error;
  std::string oauth_error;        // RFC 6749 section 5.2; printable, may be empty
  std::chrono::seconds pause{0};  // not to be asked again before; 0: the usual back-off
};

// Status 200, application/json, an object without duplicate members of at most 64 KiB and 8 levels;
// access_token a token68 of at most 8 KiB, token_type Bearer (N_A too in an exchange),
// expires_in 1 s to ten years as an integer or its decimal text, issued_token_type in an exchange
// what was asked for.  An access token that is a JWT with an earlier exp lives until then.
// refresh_token is dropped.
tl::expected<GrantedToken, GrantFailure> read_grant_answer(const Grant& grant,
                                                           const GrantAnswerView& answer,
                                                           TimePoint now);

// When a token ends that is a JWT, by its own word, which nobody has verified: enough to stop using
// it earlier, never to use it longer.
std::optional<TimePoint> expiry_of_jwt(std::string_view token);

// Text of a server's for a log: one line of at most 256 bytes, without control characters, and
// words that are long enough to be a token left out.
std::string log_words(std::string_view text);

// RFC 9110 section 10.2.3, from none to a minute; a date counts as a minute.
std::chrono::seconds retry_pause(std::string_view retry_after);

}  // namespace keyward::identity
