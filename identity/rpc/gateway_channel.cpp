#include "identity/rpc/gateway_channel.hpp"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "base/log.hpp"
#include "identity/rpc/library_variables.hpp"
#include "identity/rpc/tls_files.hpp"

namespace keyward::identity {
namespace {

grpc::ChannelArguments channel_arguments(const GatewayEndpoint& endpoint) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 500);
  // What one attempt may take, in spite of its name; the pause between two is set beside it.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
  // Another channel has other certificates: it must not find the connections of the one before.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetUserAgentPrefix("keyward/" KEYWARD_VERSION);
  if (!endpoint.server_name.empty()) arguments.SetSslTargetNameOverride(endpoint.server_name);
  return arguments;
}

std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const GatewayEndpoint& endpoint,
                                                              bool tls) {
  if (!tls) return grpc::InsecureChannelCredentials();
  return grpc::SslCredentials({endpoint.ca_pem, endpoint.client_key_pem, endpoint.client_cert_pem});
}

std::shared_ptr<grpc::Channel> connect(const GatewayEndpoint& endpoint,
                                       const GatewayTarget& target) {
  return grpc::CreateCustomChannel(target.target, channel_credentials(endpoint, target.tls),
                                   channel_arguments(endpoint));
}

}  // namespace

Result<std::unique_ptr<GatewayChannel>> GatewayChannel::create(GatewayEndpoint endpoint) {
  TRY_ASSIGN(GatewayTarget target, gateway_target(endpoint));
  quiet_grpc();
  return std::unique_ptr<GatewayChannel>(
      new GatewayChannel(std::move(endpoint), std::move(target)));
}

GatewayChannel::GatewayChannel(GatewayEndpoint endpoint, GatewayTarget target)
    : target_(std::move(target)), endpoint_(std::move(endpoint)) {
  use(connect(endpoint_, target_));
}

void GatewayChannel::use(const std::shared_ptr<grpc::Channel>& channel) {
  stub_ = openshell::v1::OpenShell::NewStub(channel);
  driver_.emplace(channel);
}

std::shared_ptr<GatewayChannel::Stub> GatewayChannel::stub() {
  const std::lock_guard lock(mutex_);
  if (target_.tls) follow_files();
  return stub_;
}

void GatewayChannel::follow_files() {
  Result<std::optional<GatewayEndpoint>> changed = changed_tls(endpoint_);
  if (const bool refused = std::exchange(refused_, !changed); !changed) {
    if (!refused)
      log::warn("tls_files_refused",
                {{"detail", changed.error().what}, {"effect", "those from before are used"}});
    return;
  }
  std::optional<GatewayEndpoint>& next = *changed;
  if (!next) return;
  endpoint_ = std::move(*next);
  use(connect(endpoint_, target_));
  log::info("tls_files_reloaded");
}

}  // namespace keyward::identity
