#include "gateway/http/answers.hpp"

#include <nlohmann/json.hpp>

#include "identity/jwt/jwks.hpp"

namespace keyward::gateway {
namespace {

HttpAnswer json(std::string body) { return {200, "application/json", std::move(body)}; }

HttpAnswer readiness(Readiness& database) {
  if (database.is_ready()) return {200, "text/plain; charset=utf-8", "ok\n"};
  return {503, "text/plain; charset=utf-8", "the database does not answer\n"};
}

std::string discovery(const HttpDeps& deps) {
  return nlohmann::json{{"issuer", deps.issuer},
                        {"jwks_uri", deps.public_url + "/.well-known/jwks.json"},
                        {"id_token_signing_alg_values_supported", nlohmann::json::array({"EdDSA"})},
                        {"response_types_supported", nlohmann::json::array({"id_token"})},
                        {"subject_types_supported", nlohmann::json::array({"public"})}}
      .dump();
}

}  // namespace

HttpAnswer answer_http(const HttpDeps& deps, std::string_view method, std::string_view target) {
  if (method != "GET" && method != "HEAD")
    return {405, "text/plain; charset=utf-8", "GET and HEAD only\n"};
  const std::string_view path = target.substr(0, target.find('?'));
  if (path == "/healthz") return {200, "text/plain; charset=utf-8", "ok\n"};
  if (path == "/readyz") return readiness(deps.readiness);
  if (path == "/metrics") return {200, "text/plain; version=0.0.4", deps.metrics.text()};
  if (path == "/.well-known/jwks.json") return json(jwks_json(deps.ring.keys()->verifying));
  if (path == "/.well-known/openid-configuration" && !deps.public_url.empty())
    return json(discovery(deps));
  return {404, "text/plain; charset=utf-8", "not found\n"};
}

}  // namespace keyward::gateway
