#include "identity/rpc/gateway_credentials.hpp"

#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <string>
#include <utility>
#include <vector>

#include "identity/jwt/svid_leaf.hpp"

namespace keyward::identity {
namespace {

namespace tls = grpc::experimental;

// After TLS has found a chain to the authorities.
class SvidVerifier final : public tls::ExternalCertificateVerifier {
 public:
  explicit SvidVerifier(std::string spiffe_id) : spiffe_id_(std::move(spiffe_id)) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)> /*later*/, grpc::Status* verdict) override {
    const grpc::string_ref pem = request->peer_cert();
    const auto leaf = read_certificate_pem({pem.data(), pem.size()});
    const Result<> checked = leaf ? check_svid_leaf(*leaf, spiffe_id_, SystemClock().now())
                                  : Result<>(tl::unexpected(leaf.error()));
    *verdict = checked ? grpc::Status::OK
                       : grpc::Status(grpc::StatusCode::UNAUTHENTICATED, checked.error().what);
    return true;  // at once
  }
  void Cancel(tls::TlsCustomVerificationCheckRequest* /*request*/) override {}

 private:
  const std::string spiffe_id_;
};

std::shared_ptr<grpc::ChannelCredentials> svid_credentials(const GatewayEndpoint& endpoint) {
  std::vector<tls::IdentityKeyCertPair> pairs;
  if (!endpoint.client_cert_pem.empty())
    pairs.push_back({endpoint.client_key_pem, endpoint.client_cert_pem});
  const bool presents = !pairs.empty();
  tls::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(
      std::make_shared<tls::StaticDataCertificateProvider>(endpoint.ca_pem, std::move(pairs)));
  options.watch_root_certs();
  if (presents) options.watch_identity_key_cert_pairs();
  options.set_certificate_verifier(
      tls::ExternalCertificateVerifier::Create<SvidVerifier>(endpoint.spiffe_id));
  options.set_check_call_host(false);  // the identity is in the URI, not in a name
  return tls::TlsCredentials(options);
}

}  // namespace

std::shared_ptr<grpc::ChannelCredentials> gateway_credentials(const GatewayEndpoint& endpoint,
                                                              bool tls) {
  if (!tls) return grpc::InsecureChannelCredentials();
  if (!endpoint.spiffe_id.empty()) return svid_credentials(endpoint);
  return grpc::SslCredentials({endpoint.ca_pem, endpoint.client_key_pem, endpoint.client_cert_pem});
}

}  // namespace keyward::identity
