#include "identity/rpc/gateway_channel.hpp"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "base/log.hpp"
#include "identity/rpc/gateway_credentials.hpp"
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

constexpr std::chrono::milliseconds agent_patience{3'000};

}  // namespace

Result<std::unique_ptr<GatewayChannel>> GatewayChannel::create(GatewayEndpoint endpoint,
                                                               AgentTls agent) {
  TRY_ASSIGN(GatewayTarget target, gateway_target(endpoint));
  quiet_grpc();
  return std::unique_ptr<GatewayChannel>(
      new GatewayChannel(std::move(endpoint), std::move(target), agent));
}

GatewayChannel::GatewayChannel(GatewayEndpoint endpoint, GatewayTarget target, AgentTls agent)
    : target_(std::move(target)),
      spiffe_id_(endpoint.spiffe_id),
      agent_(agent),
      endpoint_(std::move(endpoint)) {}

void GatewayChannel::connect() {
  const std::shared_ptr<grpc::Channel> channel = grpc::CreateCustomChannel(
      target_.target, gateway_credentials(endpoint_, target_.tls), channel_arguments(endpoint_));
  stub_ = openshell::v1::OpenShell::NewStub(channel);
  driver_.emplace(channel);
}

Result<std::shared_ptr<GatewayChannel::Stub>> GatewayChannel::stub() {
  // Not under the lock: the first one waits.
  if (!waited_.exchange(true)) (void)ask_agent(agent_, spiffe_id_, agent_patience);
  const std::lock_guard lock(mutex_);
  const Result<AgentTlsNow> now = ask_agent(agent_, spiffe_id_, std::chrono::milliseconds(0));
  if (!now) {
    stub_.reset();
    driver_.reset();
    return tl::unexpected(now.error());
  }
  const bool other_files = target_.tls && follow_files();
  const bool other_svid = follow_agent(*now);
  if (stub_ && !other_files && !other_svid) return stub_;
  if (other_files) log::info("tls_files_reloaded");
  if (stub_ && other_svid) log::info("tls_svid_replaced");
  connect();
  return stub_;
}

// True: they hold others, which are used from now on.
bool GatewayChannel::follow_files() {
  Result<std::optional<GatewayEndpoint>> changed = changed_tls(endpoint_);
  if (const bool refused = std::exchange(refused_, !changed); !changed) {
    if (!refused)
      log::warn("tls_files_refused",
                {{"detail", changed.error().what}, {"effect", "those from before are used"}});
    return false;
  }
  std::optional<GatewayEndpoint>& next = *changed;
  if (!next) return false;
  endpoint_ = std::move(*next);
  return true;
}

bool GatewayChannel::follow_agent(const AgentTlsNow& now) {
  if (now == from_agent_) return false;
  from_agent_ = now;
  if (now.client) {
    endpoint_.client_cert_pem = now.client->certificates_pem;
    endpoint_.client_key_pem = now.client->key_pem.reveal();
  }
  if (!now.authorities_pem.empty()) endpoint_.ca_pem = now.authorities_pem;
  return true;
}

}  // namespace keyward::identity
