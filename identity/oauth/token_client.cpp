#include "identity/oauth/token_client.hpp"

#include "identity/grant/metadata.hpp"
#include "identity/http/form.hpp"
#include "identity/oauth/guarded_http.hpp"

namespace keyward::identity {
namespace {

constexpr std::chrono::hours metadata_life{1};

}  // namespace

TokenClient::TokenClient(TokenClientSettings settings, const Clock& wall,
                         const MonotonicClock& clock)
    : settings_(std::move(settings)), wall_(wall), clock_(clock) {}

Result<HttpResponse> TokenClient::send(const std::string& url, const Secret& form,
                                       const ClientCertificate* certificate) const {
  HttpRequest request;
  TRY_ASSIGN(request.url, check_token_url(url, settings_.rules));
  request.certificate = certificate;
  if (form.empty())
    return send_guarded(settings_, request,
                        {metadata_limit, settings_.deadline, stop_.get_token()});
  request.method = "POST";
  request.body = form.clone();
  request.content_type = form_content_type;
  return send_guarded(settings_, request,
                      {grant_answer_limit, settings_.deadline, stop_.get_token()});
}

tl::expected<GrantedToken, GrantFailure> TokenClient::ask(const Grant& grant, const Secret& form,
                                                          const ClientCertificate* certificate) {
  const Result<std::string> url = endpoint_of(grant);
  if (!url) return tl::unexpected(transport_failure(url.error()));
  Result<HttpResponse> answer = send(*url, form, certificate);
  if (!answer) return tl::unexpected(transport_failure(answer.error()));
  auto granted = read_grant_answer(
      grant, {answer->status, answer->content_type, answer->retry_after, answer->body},
      wall_.now());
  wipe(answer->body.data(), answer->body.size());
  return granted;
}

Result<std::string> TokenClient::endpoint_of(const Grant& grant) {
  if (grant.issuer.empty()) return grant.token_endpoint;
  TRY_ASSIGN(const ServerMetadata metadata, metadata_of(grant.issuer));
  return grant.client_auth == ClientAuth::tls ? metadata.tls_token_endpoint
                                              : metadata.token_endpoint;
}

Result<ServerMetadata> TokenClient::metadata_of(const std::string& issuer) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = discovered_.find(issuer);
    if (found != discovered_.end() && clock_.now() < found->second.until)
      return found->second.metadata;
  }
  TRY_ASSIGN(ServerMetadata metadata, discover(issuer));
  const std::lock_guard lock(mutex_);
  discovered_[issuer] = {metadata, clock_.now() + metadata_life};
  return metadata;
}

Result<ServerMetadata> TokenClient::discover(const std::string& issuer) const {
  TRY_ASSIGN(const auto urls, metadata_urls(issuer));
  int status = 0;
  for (const std::string& url : urls) {
    TRY_ASSIGN(const HttpResponse answer, send(url, Secret(), nullptr));
    if (answer.status == 200 && !is_json(answer.content_type))
      return fail(Code::denied,
                  issuer + ": the content type of its metadata is not application/json");
    if (answer.status == 200) return parse_server_metadata(answer.body, issuer);
    status = answer.status;
  }
  return fail(Code::unavailable,
              issuer + ": has no metadata document (status " + std::to_string(status) + ")");
}

}  // namespace keyward::identity
