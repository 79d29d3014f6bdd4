// What a Workload API answers: SPIFFE IDs and JWT-SVIDs, whole, and built of a header and claims;
// and ServiceAccount tokens in their place.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "identity/jwt/jwt_svid.hpp"
#include "identity/jwt/spiffe_id.hpp"

using namespace keyward;
using namespace keyward::identity;

namespace {

const TimePoint now{std::chrono::seconds(1'800'000'000)};
const JwtSvidRules rules{"spiffe://example.org/a", "https://as.example"};

void check(std::string_view token) {
  const auto claims = check_jwt_svid(token, rules, now);
  if (claims && (claims->expires <= now || claims->spiffe_id != rules.spiffe_id ||
                 claims->audience != rules.audience || claims->algorithm == "none"))
    std::abort();
  const auto account = check_service_account_token(token, rules.audience, now);
  if (account && (account->expires <= now || account->audience != rules.audience ||
                  account->algorithm == "none"))
    std::abort();
  if (claims && !account) std::abort();  // what is stricter takes nothing more
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text);
  if (const auto line = text.find('\n'); line != std::string_view::npos)
    check(base64url(text.substr(0, line)) + "." + base64url(text.substr(line + 1)) + ".c2ln");
  if (const auto id = parse_spiffe_id(text); id && id->text() != text) std::abort();
  return 0;
}
