#include "identity/oauth/sts_answer.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "identity/aws/answers.hpp"

namespace keyward::identity {
namespace {

using std::chrono::seconds;

constexpr seconds proof_pause{30}, configuration_pause{60};

template <std::size_t n>
bool is_one_of(std::string_view code, const std::array<std::string_view, n>& codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

bool is_about_proof(std::string_view code) {
  return is_one_of(code, std::array<std::string_view, 3>{"ExpiredTokenException", "ExpiredToken",
                                                         "InvalidIdentityToken"});
}

bool may_pass(std::string_view code) {
  return is_one_of(code, std::array<std::string_view, 6>{
                             "IDPCommunicationError", "Throttling", "ThrottlingException",
                             "RequestLimitExceeded", "ServiceUnavailable", "InternalFailure"});
}

bool is_xml(std::string_view content_type) {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  return equals_ignoring_case(type, "text/xml") || equals_ignoring_case(type, "application/xml");
}

GrantFailure broken(const std::string& why) {
  return {{Code::denied, "the answer of STS is not used: " + why}, "", proof_pause};
}

GrantFailure refusal_of(const GrantAnswerView& answer) {
  const std::string status = "status " + std::to_string(answer.status);
  if (answer.status < 400) return broken(status);
  const StsProblem problem = sts_problem(answer.body);
  const bool passes = answer.status >= 500 || answer.status == 429 || may_pass(problem.code);
  const Code code = passes                         ? Code::unavailable
                    : is_about_proof(problem.code) ? Code::unauthenticated
                                                   : Code::precondition;
  const seconds pause = passes                          ? retry_pause(answer.retry_after)
                        : code == Code::unauthenticated ? proof_pause
                                                        : configuration_pause;
  return {
      {code, "STS answers with " + status + ": " + log_words(problem.text)}, problem.code, pause};
}

}  // namespace

tl::expected<GrantedKeys, GrantFailure> read_sts_answer(const GrantAnswerView& answer,
                                                        TimePoint now) {
  if (answer.body.size() > grant_answer_limit) return tl::unexpected(broken("larger than 64 KiB"));
  if (answer.status != 200) return tl::unexpected(refusal_of(answer));
  if (!is_xml(answer.content_type)) return tl::unexpected(broken("its content type is not XML"));
  Result<AwsKeys> keys = parse_sts_answer(answer.body);
  if (!keys) return tl::unexpected(broken(keys.error().what));
  const std::optional<TimePoint>& expires = keys->expires;
  if (!expires || *expires < now + seconds(1))
    return tl::unexpected(
        broken("its keys have ended already, or the clocks differ by more than their life"));
  return GrantedKeys{std::move(keys->pair), *expires};
}

std::string diagnose_web_identity(const GrantFailure& failure, const JwtSvidClaims& svid) {
  const std::string& code = failure.oauth_error;
  if (is_about_proof(code) && !svid.has_issuer)
    return ": the JWT-SVID has no iss, by which STS finds the identity provider: let the SPIFFE "
           "server set a JWT issuer";
  if (code == "InvalidIdentityToken")
    return ": is there an identity provider for the JWT-SVID's iss, can STS fetch its keys, and is "
           "the audience " +
           svid.audience + " registered with it?";
  if (code == "AccessDenied" || code == "IDPRejectedClaim")
    return ": does the role's trust policy let " + svid.spiffe_id +
           " assume it, with the audience " + svid.audience + "?";
  return "";
}

}  // namespace keyward::identity
