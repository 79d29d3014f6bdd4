#include "identity/oauth/sts_client.hpp"

#include "identity/aws/sts.hpp"
#include "identity/oauth/guarded_http.hpp"
#include "identity/oauth/sts_answer.hpp"

namespace keyward::identity {
namespace {

AwsRole named(const AwsRole& role, const JwtSvid& svid) {
  AwsRole complete = role;
  if (complete.session_name.empty()) complete.session_name = session_name_of(svid.claims.spiffe_id);
  return complete;
}

tl::unexpected<GrantFailure> at_role(const AwsRole& role, GrantFailure failure) {
  failure.error.what = role.arn + ": " + failure.error.what;
  return tl::unexpected(std::move(failure));
}

}  // namespace

tl::expected<GrantedKeys, GrantFailure> StsClient::assume(const Grant& grant, const JwtSvid& svid) {
  const BootTime end = clock_.now() + settings_.deadline;
  const Result<Url> sts = check_token_url(grant.token_endpoint, settings_.rules);
  if (!sts) return tl::unexpected(transport_failure(sts.error()));
  const AwsRole& first = grant.aws.roles.front();
  auto keys = ask(web_identity_request(*sts, named(first, svid), svid.token), end);
  if (!keys) {
    keys.error().error.what += diagnose_web_identity(keys.error(), svid.claims);
    return at_role(first, std::move(keys).error());
  }
  for (std::size_t i = 1; i < grant.aws.roles.size(); ++i) {
    const AwsRole& role = grant.aws.roles[i];
    const auto request =
        assume_role_request(*sts, named(role, svid), {keys->pair, grant.aws.region, wall_.now()});
    if (!request) return at_role(role, transport_failure(request.error()));
    keys = ask(*request, end);
    if (!keys) return at_role(role, std::move(keys).error());
  }
  return keys;
}

tl::expected<GrantedKeys, GrantFailure> StsClient::ask(const HttpRequest& request,
                                                       BootTime end) const {
  const std::chrono::milliseconds left = end - clock_.now();
  if (left.count() <= 0)
    return tl::unexpected(GrantFailure{{Code::timeout, "STS: no time is left for it"}, "", {}});
  Result<HttpResponse> answer =
      send_guarded(settings_, request, {grant_answer_limit, left, stop_.get_token()});
  if (!answer) return tl::unexpected(transport_failure(answer.error()));
  auto keys = read_sts_answer(
      {answer->status, answer->content_type, answer->retry_after, answer->body}, wall_.now());
  wipe(answer->body.data(), answer->body.size());
  return keys;
}

}  // namespace keyward::identity
