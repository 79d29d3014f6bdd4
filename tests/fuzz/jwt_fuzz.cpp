// Tokens and key files of strangers: nobody without the key makes a token that verifies.

#include <cstdint>
#include <cstdlib>

#include "identity/jwt/json_object.hpp"
#include "identity/jwt/keys.hpp"
#include "identity/jwt/sandbox_token.hpp"

using namespace keyward;
using namespace keyward::identity;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const SigningKey key = generate_signing_key();
  static const KeySet keys = {key.verifying_key(), {"known-kid", key.verifying_key().key}};
  static const VerifyRules rules{issuer_of("fuzz"), std::chrono::hours(24)};
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  const TimePoint now{std::chrono::seconds(1'800'000'000)};
  if (std::holds_alternative<SandboxClaims>(verify_sandbox_token(text, keys, rules, now)))
    std::abort();
  if (const auto claims = read_own_token(text); claims && claims->sandbox_id.empty()) std::abort();
  if (const auto object = parse_json_object(text)) (void)object->members().size();
  (void)parse_public_key_pem(text);
  if (auto read = parse_private_key_pem(text)) {
    const auto again = parse_private_key_pem(private_key_pem(*read).reveal());
    if (!again || again->public_key != read->public_key) std::abort();
  }
  return 0;
}
