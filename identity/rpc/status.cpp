#include "identity/rpc/status.hpp"

#include <string>

#include "base/bytes.hpp"
#include "identity/grant/svid_source.hpp"

namespace keyward::identity {
namespace {

constexpr std::size_t shown_limit = 300;

// A gateway's text goes to terminals and logs.
std::string shown(std::string_view text) { return printable(text, shown_limit); }

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

RpcError unavailable(std::string_view detail, std::string_view url) {
  const auto lasting = [](std::string text) {
    return RpcError{grpc_unavailable, std::move(text), true};
  };
  const std::string gateway = "the gateway at " + std::string(url);
  if (contains(detail, "certificate verify failed") ||
      contains(detail, "CERTIFICATE_VERIFY_FAILED"))
    return lasting(gateway +
                   " has no certificate of the CA in OPENSHELL_TLS_CA, or of the trust domain in "
                   "--gateway-spiffe-id");
  if (contains(detail, "Custom verification check failed"))
    return lasting(gateway + " is not the identity in --gateway-spiffe-id (" + shown(detail) + ")");
  if (contains(detail, "Hostname Verification Check failed") ||
      contains(detail, "is not in peer certificate"))
    return lasting(
        gateway +
        " has a certificate for another name; set OPENSHELL_GATEWAY_TLS_SERVER_NAME to one of "
        "its names");
  if (contains(detail, "Ssl handshake failed") || contains(detail, "SSL_ERROR"))
    return {
        grpc_unavailable,
        gateway + ": TLS failed (" + shown(detail) +
            "); does it speak TLS, and does it ask for a client certificate (OPENSHELL_TLS_CERT)?"};
  if (contains(detail, "DNS resolution failed"))
    return {grpc_unavailable, gateway + ": its name does not resolve"};
  return {grpc_unavailable, "cannot reach " + gateway + ": is it running? (" + shown(detail) + ")"};
}

}  // namespace

RpcError rpc_error(const grpc::Status& status, std::string_view url) {
  const int code = static_cast<int>(status.error_code());
  const std::string& detail = status.error_message();
  if (code == grpc_unavailable) return unavailable(detail, url);
  if (code == grpc_deadline_exceeded)
    return {code, "the gateway at " + std::string(url) + " did not answer in time"};
  return {code, detail.empty() ? "the gateway refused without a reason" : shown(detail)};
}

RpcError agent_rpc_error(const Error& error, std::string_view url) {
  return {grpc_unavailable,
          "no certificates for the gateway at " + std::string(url) + ": " + error.what,
          agent_verdict(error.code) == AgentVerdict::misconfigured};
}

}  // namespace keyward::identity
