#pragma once
// Tokens of other issuers, as a gateway meets them: OpenID Connect users (OpenID Connect Core 1.0,
// RFC 9068) and Kubernetes ServiceAccounts.  Pure: who verifies brings the key.

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/public_key.hpp"
#include "identity/jwt/jws.hpp"
#include "identity/jwt/verdict.hpp"

namespace keyward::identity {

class IssuerToken {
 public:
  // By what it says of itself.  Declined: no JWS with JSON claims, another `iss`, or an `alg` that
  // is neither RS256, ES256 nor EdDSA.  An empty `issuer` stands for any.  `text` must outlive
  // the token.
  static std::variant<IssuerToken, Declined> recognise(std::string_view text,
                                                       std::string_view issuer);

  std::string kid() const { return jws_.header_text("kid"); }
  // Why it is not acceptable: signature, algorithm of the key, type, critical headers, audience,
  // times (60 s of leeway).  Nothing below may be used before this has said "none".
  std::optional<Rejected> problem(const PublicKey& key, std::string_view audience,
                                  TimePoint now) const;

  using Path = std::vector<std::string>;     // of members, from the outermost one on
  std::string text(const Path& path) const;  // "" where it is absent or no text
  // Of an array of texts, or of one text: its words.
  std::vector<std::string> texts(const Path& path) const;

 private:
  IssuerToken(CompactJws jws, std::shared_ptr<const nlohmann::json> claims)
      : jws_(std::move(jws)), claims_(std::move(claims)) {}
  const nlohmann::json* find(const Path& path) const;

  CompactJws jws_;
  std::shared_ptr<const nlohmann::json> claims_;
};

}  // namespace keyward::identity
