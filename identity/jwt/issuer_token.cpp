#include "identity/jwt/issuer_token.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/bytes.hpp"
#include "identity/jwt/registered_claims.hpp"
#include "identity/jwt/sandbox_token.hpp"

namespace keyward::identity {
namespace {

constexpr JsonLimits claim_limits{8, 512};

std::optional<SignatureAlgorithm> algorithm_of(std::string_view name) {
  if (name == "RS256") return SignatureAlgorithm::rs256;
  if (name == "ES256") return SignatureAlgorithm::es256;
  if (name == "EdDSA") return SignatureAlgorithm::eddsa;
  return std::nullopt;
}

// ID tokens, access tokens (RFC 9068) and ServiceAccount tokens; nothing else that the same issuer
// may sign, such as logout tokens (RFC 8725 section 3.11).
bool is_accepted_type(const JsonObject& header) {
  if (!header.has("typ")) return true;
  const std::string* type = header.text("typ");
  return type != nullptr &&
         (equals_ignoring_case(*type, "JWT") || equals_ignoring_case(*type, "at+jwt") ||
          equals_ignoring_case(*type, "application/at+jwt"));
}

std::string_view time_problem(const nlohmann::json& claims, TimePoint now) {
  const auto expires = numeric_date(claims, "exp");
  if (!expires) return "exp is missing or no time";
  if (*expires < now - clock_leeway) return "expired";
  for (const char* name : {"nbf", "iat"}) {
    if (!claims.contains(name)) continue;
    const auto begin = numeric_date(claims, name);
    if (!begin) return "nbf or iat is no time";
    if (*begin > now + clock_leeway) return "not yet valid";
  }
  return {};
}

}  // namespace

std::variant<IssuerToken, Declined> IssuerToken::recognise(std::string_view text,
                                                           std::string_view issuer) {
  Result<CompactJws> jws = parse_compact_jws(text);
  if (!jws || !check_json_object(jws->payload, claim_limits)) return Declined{};
  auto claims =
      std::make_shared<const nlohmann::json>(nlohmann::json::parse(jws->payload, nullptr, false));
  const auto found = claims->find("iss");
  if (found == claims->end() || !found->is_string() ||
      (!issuer.empty() && found->get_ref<const std::string&>() != issuer))
    return Declined{};
  if (!algorithm_of(jws->header_text("alg")))
    return Declined{"alg is neither RS256, ES256 nor EdDSA"};
  return IssuerToken(std::move(*jws), std::move(claims));
}

std::optional<Rejected> IssuerToken::problem(const PublicKey& key, std::string_view audience,
                                             TimePoint now) const {
  if (algorithm_of(jws_.header_text("alg")) != key.algorithm())
    return Rejected{"alg is not the key's"};
  if (!is_accepted_type(jws_.header)) return Rejected{"typ is not that of an access token"};
  if (jws_.header.has("crit")) return Rejected{"crit is not supported"};  // RFC 7515 4.1.11
  if (!key.verifies(jws_.signed_part, jws_.signature))
    return Rejected{"the signature does not verify"};
  if (!names_audience(*claims_, audience)) return Rejected{"aud is not this gateway's"};
  if (const auto problem = time_problem(*claims_, now); !problem.empty())
    return Rejected{std::string(problem)};
  return std::nullopt;
}

const nlohmann::json* IssuerToken::find(const Path& path) const {
  const nlohmann::json* at = claims_.get();
  for (const std::string& name : path) {
    if (!at->is_object()) return nullptr;
    const auto found = at->find(name);
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

std::string IssuerToken::text(const Path& path) const {
  const nlohmann::json* found = find(path);
  return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> IssuerToken::texts(const Path& path) const {
  const nlohmann::json* found = find(path);
  std::vector<std::string> texts;
  if (found == nullptr) return texts;
  if (found->is_string()) {
    std::istringstream words(found->get<std::string>());
    for (std::string word; words >> word;) texts.push_back(word);
  }
  if (found->is_array())
    for (const nlohmann::json& each : *found)
      if (each.is_string()) texts.push_back(each.get<std::string>());
  return texts;
}

}  // namespace keyward::identity
