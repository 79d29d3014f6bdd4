#include "gateway/oidc/discovery.hpp"

#include <nlohmann/json.hpp>

namespace keyward::gateway {
namespace {

constexpr std::size_t document_limit = 256 << 10;  // bytes

Result<std::string> get(identity::HttpSettings settings, const std::string& url,
                        const Secret& bearer) {
  Result<Url> parsed = parse_url(url);
  if (!parsed) return fail_at("issuer's URL", std::move(parsed).error());
  if (!parsed->tls && !is_loopback(*parsed))
    return fail(Code::denied, parsed->authority() + ": keys are fetched over https only");
  settings.body_limit = document_limit;
  identity::HttpRequest request;
  request.url = std::move(*parsed);
  request.bearer = bearer.clone();
  TRY_ASSIGN(identity::HttpResponse response, identity::send_http(settings, request));
  if (response.status == 200) return std::move(response.body);
  return fail(Code::unavailable, request.url.authority() + request.url.target + ": status " +
                                     std::to_string(response.status));
}

std::string text_of(const nlohmann::json& document, const char* name) {
  const auto found = document.is_object() ? document.find(name) : document.end();
  return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// OpenID Connect Discovery 1.0 section 4.1: an issuer may end in one, which tokens then carry too.
std::string without_slash(const std::string& url) {
  return url.ends_with('/') ? url.substr(0, url.size() - 1) : url;
}

// Scheme, host and port of `base`, path and query of `url`, which may be a path alone.
Result<std::string> moved_to(const std::string& base, const std::string& url) {
  TRY_ASSIGN(const Url at, parse_url(base));
  std::string target = url;
  if (!url.starts_with('/')) {
    TRY_ASSIGN(const Url parsed, parse_url(url));
    target = parsed.target;
  }
  return (at.tls ? "https://" : "http://") + at.authority() + target;
}

}  // namespace

Result<> check_issuer_url(const std::string& setting, const std::string& url) {
  const Result<Url> parsed = parse_url(url);
  if (!parsed) return fail_at(setting, parsed.error());
  if (parsed->tls || is_loopback(*parsed)) return {};
  return fail(Code::denied, setting + ": must be https://, or a loopback address");
}

Result<IssuerKeys> discover_keys(const identity::HttpSettings& settings,
                                 const DiscoverySource& source, const Secret& bearer) {
  TRY_ASSIGN(
      const std::string text,
      get(settings, without_slash(source.base) + "/.well-known/openid-configuration", bearer));
  const auto document = nlohmann::json::parse(text, nullptr, false);
  IssuerKeys found;
  found.issuer = text_of(document, "issuer");
  std::string keys_url = text_of(document, "jwks_uri");
  if (found.issuer.empty() || keys_url.empty())
    return fail(Code::unavailable,
                source.base + ": its discovery document has no issuer or no jwks_uri");
  // RFC 8414 section 3.3: otherwise anybody's document could stand for the issuer.
  if (!source.issuer.empty() && found.issuer != source.issuer)
    return fail(Code::unavailable,
                source.base + ": its discovery document names another issuer than configured");
  if (source.keys_at_base) {
    TRY_ASSIGN(keys_url, moved_to(source.base, keys_url));
  }
  TRY_ASSIGN(const std::string keys, get(settings, keys_url, bearer));
  TRY_ASSIGN(found.keys, identity::parse_jwks(keys));
  return found;
}

}  // namespace keyward::gateway
