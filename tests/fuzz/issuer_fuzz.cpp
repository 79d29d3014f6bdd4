// What other issuers send: key sets, tokens, and the URLs in their documents.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/url.hpp"
#include "identity/jwt/issuer_token.hpp"
#include "identity/jwt/jwks.hpp"

using namespace keyward;
using namespace keyward::identity;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // Nobody signs for this key: no token may be acceptable.
  static const PublicKey key = *PublicKey::ed25519(generate_signing_key().public_key);
  const TimePoint now{std::chrono::seconds(1'800'000'000)};
  const auto recognised = IssuerToken::recognise(text, "");
  if (const auto* token = std::get_if<IssuerToken>(&recognised)) {
    if (!token->problem(key, "gateway", now)) std::abort();
    (void)token->text({"sub"});
    (void)token->texts({"realm_access", "roles"});
  }
  if (const auto keys = parse_jwks(text))
    for (const Jwk& each : *keys) (void)each.key.verifies("message", text);
  if (const auto url = parse_url(text)) {
    const auto again =
        parse_url((url->tls ? "https://" : "http://") + url->authority() + url->target);
    if (!again || again->host != url->host || again->port != url->port ||
        again->target != url->target)
      std::abort();
  }
  return 0;
}
