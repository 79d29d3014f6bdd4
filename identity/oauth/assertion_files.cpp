#include "identity/oauth/assertion_files.hpp"

#include "base/bytes.hpp"
#include "base/file.hpp"

namespace keyward::identity {
namespace {

constexpr std::size_t file_limit = 16'384;  // bytes

// Not read_secret_file: the kubelet makes it readable for the pod's group.
Result<JwtSvid> read_assertion(const std::string& path, const std::string& audience,
                               TimePoint now) {
  Result<std::string> text = read_file(path, file_limit);
  if (!text && text.error().code == Code::not_found)
    return fail(Code::unavailable, text.error().what);
  if (!text) return tl::unexpected(text.error());
  const Secret content = Secret::take(*text);
  JwtSvid assertion;
  assertion.token = Secret(trim(content.reveal()));
  if (assertion.token.empty()) return fail(Code::unavailable, path + ": is empty");
  auto claims = check_service_account_token(assertion.token.reveal(), audience, now);
  if (!claims) return fail_at(path, claims.error());
  assertion.claims = std::move(*claims);
  return assertion;
}

}  // namespace

Result<JwtSvid> AssertionFiles::assertion_for(const std::string& audience) {
  const auto path = paths_.find(audience);
  if (path == paths_.end())
    return fail(Code::precondition, "no --grant-assertion-file is for the audience " + audience);
  auto assertion = read_assertion(path->second, audience, clock_.now());
  if (!assertion) return fail_at("--grant-assertion-file " + audience, assertion.error());
  return assertion;
}

}  // namespace keyward::identity
