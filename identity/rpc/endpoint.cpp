#include "identity/rpc/endpoint.hpp"

#include "base/url.hpp"

namespace keyward::identity {
namespace {

constexpr const char* variable = "OPENSHELL_ENDPOINT";

tl::unexpected<Error> bad_url() {
  return fail(Code::invalid,
              std::string(variable) + ": must be https://HOST:PORT (or http://127.0.0.1:PORT)");
}

std::string target_of(const Url& url) {
  if (url.v6) return "ipv6:" + url.authority();
  return (is_v4_literal(url.host) ? "ipv4:" : "dns:") + url.authority();
}

Result<> check_tls_files(const GatewayEndpoint& endpoint) {
  if (endpoint.ca_pem.empty() && endpoint.spiffe_id.empty())
    return fail(Code::invalid,
                "OPENSHELL_TLS_CA: must name the gateway's CA certificate; no other authority is "
                "trusted");
  if (endpoint.client_cert_pem.empty() != endpoint.client_key_pem.empty())
    return fail(Code::invalid, "OPENSHELL_TLS_CERT and OPENSHELL_TLS_KEY: set both or neither");
  return {};
}

}  // namespace

Result<GatewayTarget> gateway_target(const GatewayEndpoint& endpoint) {
  Result<Url> url = parse_url(endpoint.url);
  if (!url || url->target != "/") return bad_url();
  if (url->tls) {
    TRY(check_tls_files(endpoint));
  } else {
    if (!is_loopback(*url))
      return fail(Code::denied,
                  std::string(variable) + ": " + endpoint.url +
                      " would send the token in clear text; use https:// and OPENSHELL_TLS_CA");
    if (url->host == "localhost") url->host = "127.0.0.1";
  }
  return GatewayTarget{url->tls, target_of(*url)};
}

}  // namespace keyward::identity
