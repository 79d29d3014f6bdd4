#include "identity/grant/answer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "identity/grant/injection.hpp"
#include "identity/jwt/json_object.hpp"
#include "identity/jwt/jws.hpp"
#include "identity/jwt/registered_claims.hpp"

namespace keyward::identity {
namespace {

using std::chrono::seconds;

constexpr seconds proof_pause{30}, configuration_pause{60}, longest_pause{60};
constexpr std::size_t description_limit = 256, word_limit = 40;  // bytes
constexpr JsonLimits claim_limits{8, 256};
constexpr std::string_view token_type_prefix = "urn:ietf:params:oauth:token-type:";

GrantFailure broken(const std::string& why) {
  return {{Code::denied, "the token endpoint's answer is not used: " + why}, "", proof_pause};
}

std::string text_of(const JsonObject& object, std::string_view name) {
  const std::string* text = object.text(name);
  return text == nullptr ? std::string() : log_words(*text);
}

std::optional<std::int64_t> decimal(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Code code_of(std::string_view error) {
  constexpr std::array<std::string_view, 2> proofs = {"invalid_client", "invalid_grant"};
  constexpr std::array<std::string_view, 5> settings = {"invalid_request", "unauthorized_client",
                                                        "unsupported_grant_type", "invalid_scope",
                                                        "invalid_target"};
  if (std::find(proofs.begin(), proofs.end(), error) != proofs.end()) return Code::unauthenticated;
  if (std::find(settings.begin(), settings.end(), error) != settings.end())
    return Code::precondition;
  return Code::unavailable;
}

GrantFailure refusal_of(const GrantAnswerView& answer) {
  const std::string status = "status " + std::to_string(answer.status);
  if (answer.status >= 300 && answer.status < 400)
    return broken("it is a redirect (" + status + "), which is never followed");
  if (answer.status < 400) return broken(status);
  if (answer.status >= 500 || answer.status == 429)
    return {{Code::unavailable, "the token endpoint answers with " + status},
            "",
            retry_pause(answer.retry_after)};
  const auto object =
      is_json(answer.content_type) ? parse_json_object(answer.body) : fail(Code::invalid, "");
  const std::string error = object ? text_of(*object, "error") : "";
  if (error.empty())
    return {{Code::precondition,
             "the token endpoint answers with " + status + " and no OAuth error: is it one?"},
            "",
            configuration_pause};
  const std::string description = text_of(*object, "error_description");
  const Code code = code_of(error);
  return {{code, "the token endpoint refuses: " + error +
                     (description.empty() ? "" : " (" + description + ")")},
          error,
          code == Code::unauthenticated ? proof_pause : configuration_pause};
}

tl::expected<seconds, std::string> lifetime_of(const JsonObject& object) {
  if (!object.has("expires_in")) return unstated_lifetime;
  std::optional<std::int64_t> value;
  if (const std::int64_t* number = object.integer("expires_in")) value = *number;
  if (const std::string* text = object.text("expires_in")) value = decimal(*text);
  if (!value) return tl::unexpected(std::string("expires_in is no whole number"));
  if (*value < 1) return tl::unexpected(std::string("expires_in is not positive"));
  if (seconds(*value) > longest_stated_lifetime)
    return tl::unexpected(std::string("expires_in is longer than ten years"));
  return seconds(*value);
}

std::string type_problem(const Grant& grant, const JsonObject& object) {
  const bool exchange = grant.kind == GrantKind::token_exchange;
  const std::string* type = object.text("token_type");
  if (type == nullptr) return "token_type is missing";
  if (!equals_ignoring_case(*type, "Bearer") && !(exchange && equals_ignoring_case(*type, "N_A")))
    return "token_type is not Bearer";
  if (!exchange) return "";
  const std::string* issued = object.text("issued_token_type");
  if (issued == nullptr) return "issued_token_type is missing";
  const bool right = grant.requested_token_type.empty()
                         ? *issued == std::string(token_type_prefix) + "access_token" ||
                               *issued == std::string(token_type_prefix) + "jwt"
                         : *issued == grant.requested_token_type;
  return right ? "" : "issued_token_type is not what was asked for";
}

}  // namespace

bool is_json(std::string_view content_type) {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  return equals_ignoring_case(type, "application/json");
}

std::string log_words(std::string_view text) {
  std::string line;
  while (!text.empty() && line.size() < description_limit) {
    const auto end = std::min(text.find_first_of(" \t\r\n"), text.size());
    const std::string_view word = text.substr(0, end);
    if (!word.empty()) line += (line.empty() ? "" : " ");
    line += word.size() > word_limit ? "[left out]" : printable(word, word_limit);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::string(utf8_prefix(line, description_limit));
}

seconds retry_pause(std::string_view text) {
  if (text.empty()) return seconds(0);
  const auto value = decimal(trim(text));
  if (!value) return longest_pause;
  return std::clamp(seconds(*value), seconds(0), longest_pause);
}

std::optional<TimePoint> expiry_of_jwt(std::string_view token) {
  const auto jws = parse_compact_jws(token);
  if (!jws || !check_json_object(jws->payload, claim_limits)) return std::nullopt;
  return numeric_date(nlohmann::json::parse(jws->payload, nullptr, false), "exp");
}

tl::expected<GrantedToken, GrantFailure> read_grant_answer(const Grant& grant,
                                                           const GrantAnswerView& answer,
                                                           TimePoint now) {
  const auto refuse = [](const std::string& why) { return tl::unexpected(broken(why)); };
  if (answer.body.size() > grant_answer_limit) return refuse("larger than 64 KiB");
  if (answer.status != 200) return tl::unexpected(refusal_of(answer));
  if (!is_json(answer.content_type)) return refuse("its content type is not application/json");
  auto object = parse_json_object(answer.body);
  if (!object) return refuse(object.error().what);
  std::string* text = object->text("access_token");
  if (text == nullptr) return refuse("access_token is missing or no text");
  GrantedToken granted{Secret::take(*text), seconds(0), text_of(*object, "scope")};
  if (!is_token68(granted.token.reveal()))
    return refuse("access_token is empty, too long, or has characters that no header may carry");
  if (const std::string problem = type_problem(grant, *object); !problem.empty())
    return refuse(problem);
  const auto lifetime = lifetime_of(*object);
  if (!lifetime) return refuse(lifetime.error());
  const auto own = expiry_of_jwt(granted.token.reveal());
  granted.lifetime = own ? std::min(*lifetime, std::chrono::floor<seconds>(*own - now)) : *lifetime;
  if (granted.lifetime < seconds(1)) return refuse("its access token has already expired");
  return granted;
}

}  // namespace keyward::identity
