#pragma once
// The supervisor's one gRPC channel to its gateway (docs/WIRE.md).  Calls are synchronous with
// deadlines; any thread but never a proxy loop.  Every call reads the current token from the slot;
// one that was under way when the token was replaced is repeated once with the new one.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "identity/token/slot.hpp"
#include "netproxy/credentials.hpp"
#include "netproxy/policy/model.hpp"

namespace keyward::identity {

// Status of a failed call: the gRPC code (0-16) travels beside the text, because exit codes of
// debug-rpc are gRPC codes.
struct RpcError {
  int grpc_code = 2;
  std::string message;
};
template <class T>
using RpcResult = tl::expected<T, RpcError>;

struct GatewayEndpoint {
  std::string
      url;  // OPENSHELL_ENDPOINT: https://HOST:PORT, or http:// where HOST is a loopback address
  std::string ca_pem;  // OPENSHELL_TLS_CA: the only trust; required with https
  std::string client_cert_pem, client_key_pem;  // optional pair
  std::string server_name;  // OPENSHELL_GATEWAY_TLS_SERVER_NAME; empty = the URL's host
};

struct SandboxConfig {
  netproxy::PolicyModel policy;
  bool has_policy = false;
  std::uint32_t version = 0;
  std::string policy_hash;
  std::uint64_t config_revision = 0, provider_env_revision = 0;
  std::string workspace;
};

struct ProviderEnvironment {
  netproxy::Credentials credentials;  // static AWS credentials with their bindings
  std::vector<std::pair<std::string, std::string>> environment;  // non-secret keys, for the child
  std::vector<std::string> secret_keys;  // names that the child gets as placeholders
  std::uint64_t revision = 0;
};

struct RefreshedToken {
  Secret token;
  TimePoint expires;
};

class GatewayClient {
 public:
  static Result<std::unique_ptr<GatewayClient>> connect(const GatewayEndpoint& endpoint,
                                                        const TokenSlot& slot);
  virtual ~GatewayClient() = default;
  virtual RpcResult<SandboxConfig> get_sandbox_config(const std::string& sandbox_id) = 0;
  virtual RpcResult<ProviderEnvironment> get_provider_environment(
      const std::string& sandbox_id) = 0;
  virtual RpcResult<RefreshedToken> refresh(
      const std::string& refresh_id) = 0;  // metadata x-keyward-refresh-id
};

}  // namespace keyward::identity
