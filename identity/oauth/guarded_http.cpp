#include "identity/oauth/guarded_http.hpp"

namespace keyward::identity {
namespace {

constexpr std::chrono::seconds refused_pause{60}, refused_proof_pause{30};

HttpSettings http_settings(const TokenClientSettings& settings, const Url& url) {
  HttpSettings http;
  http.ca_pem = settings.ca_pem;
  http.connect_deadline = settings.connect_deadline;
  http.resolve = settings.resolve;
  http.may_dial = [&settings, url](const netproxy::Address& address) {
    return check_token_address(address, url, settings.rules);
  };
  if (const auto pins = settings.spki_pins.find(url.authority()); pins != settings.spki_pins.end())
    http.spki_pins = pins->second;
  return http;
}

}  // namespace

Result<HttpResponse> send_guarded(const TokenClientSettings& settings, const HttpRequest& request,
                                  const AnswerLimits& limits) {
  HttpSettings http = http_settings(settings, request.url);
  http.body_limit = limits.body;
  http.deadline = limits.deadline;
  http.stop = limits.stop;
  return send_http(http, request);
}

GrantFailure transport_failure(Error error) {
  std::chrono::seconds pause = refused_pause;
  if (error.code == Code::unavailable || error.code == Code::timeout) pause = {};
  if (error.code == Code::unauthenticated) pause = refused_proof_pause;
  return {std::move(error), "", pause};
}

}  // namespace keyward::identity
