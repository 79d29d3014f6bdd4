// What a token endpoint answers: the first line is the status, the second the content type, the
// rest the body.  What is taken can stand in a header, and what is said fits into a log.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "identity/grant/answer.hpp"
#include "identity/grant/injection.hpp"
#include "identity/grant/metadata.hpp"

using namespace keyward;
using namespace keyward::identity;

namespace {

std::string_view line_of(std::string_view& text) {
  const auto end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

void check(const Grant& grant, const GrantAnswerView& answer) {
  const TimePoint now{std::chrono::seconds(1'800'000'000)};
  const auto granted = read_grant_answer(grant, answer, now);
  if (granted) {
    if (!is_token68(granted->token.reveal()) || granted->lifetime.count() < 1 ||
        granted->lifetime > longest_stated_lifetime || !write_header({}, granted->token))
      std::abort();
    return;
  }
  if (granted.error().error.what.size() > 1024) std::abort();
  for (const char c : granted.error().error.what + granted.error().oauth_error)
    if (c < ' ' || c > '~') std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Grant grant;
  GrantAnswerView answer;
  for (const char c : line_of(text))
    answer.status = (answer.status * 10 + (static_cast<unsigned char>(c) & 15)) % 1000;
  answer.content_type = line_of(text);
  answer.retry_after = answer.content_type;
  answer.body = text;
  check(grant, answer);
  grant.kind = GrantKind::token_exchange;
  check(grant, answer);
  answer.status = 200;
  answer.content_type = "application/json";
  check(grant, answer);
  (void)derive_svid_audience(text);
  if (const auto urls = metadata_urls(text); urls && urls->size() != 2) std::abort();
  const auto metadata = parse_server_metadata(text, "https://as.example");
  if (metadata && (metadata->token_endpoint.empty() || metadata->tls_token_endpoint.empty()))
    std::abort();
  return 0;
}
