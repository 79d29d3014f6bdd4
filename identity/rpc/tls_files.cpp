#include "identity/rpc/tls_files.hpp"

#include "base/file.hpp"
#include "base/key_pair.hpp"
#include "base/secret.hpp"

namespace keyward::identity {
namespace {

// Not read_secret_file: the kubelet makes a pod's files readable for the pod's group.
Result<Secret> content_of(const char* variable, const std::string& path, std::string_view held) {
  if (path.empty()) return Secret(held);
  Result<std::string> content = read_file(path);
  if (!content) return fail_at(variable, std::move(content).error());
  return Secret::take(*content);
}

// One of a pair alone is not looked at: gateway_target says that the other is missing.
Result<> check(const GatewayEndpoint& endpoint) {
  const TlsFiles& files = endpoint.files;
  if (!files.ca.empty())
    if (Result<> usable = check_certificates(endpoint.ca_pem); !usable)
      return fail_at("OPENSHELL_TLS_CA", std::move(usable).error());
  if (files.certificate.empty() || files.key.empty()) return {};
  if (Result<> usable = check_key_pair(endpoint.client_cert_pem, endpoint.client_key_pem); !usable)
    return fail_at("OPENSHELL_TLS_CERT and OPENSHELL_TLS_KEY", std::move(usable).error());
  return {};
}

}  // namespace

Result<std::optional<GatewayEndpoint>> changed_tls(const GatewayEndpoint& held) {
  const TlsFiles& files = held.files;
  TRY_ASSIGN(const Secret ca, content_of("OPENSHELL_TLS_CA", files.ca, held.ca_pem));
  TRY_ASSIGN(const Secret certificate,
             content_of("OPENSHELL_TLS_CERT", files.certificate, held.client_cert_pem));
  TRY_ASSIGN(const Secret key, content_of("OPENSHELL_TLS_KEY", files.key, held.client_key_pem));
  if (ca.equals(held.ca_pem) && certificate.equals(held.client_cert_pem) &&
      key.equals(held.client_key_pem))
    return std::nullopt;
  GatewayEndpoint next = held;
  next.ca_pem = ca.reveal();
  next.client_cert_pem = certificate.reveal();
  next.client_key_pem = key.reveal();
  TRY(check(next));
  return next;
}

}  // namespace keyward::identity
