#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include "gateway/rpc/server.hpp"
#include "gateway/rpc/unknown_methods.hpp"
#include "gateway/rpc/unreadable_requests.hpp"

namespace keyward::gateway {
namespace {

constexpr int received_limit = 4 << 20;  // bytes of a message; what is served is less: check_size
constexpr std::size_t memory_limit = 64ULL << 20;  // bytes for all connections' buffers
constexpr int thread_limit = 256;  // calls at the same time, about; more are refused
constexpr std::chrono::seconds farewell{2};

using Services = std::vector<std::unique_ptr<grpc::Service>>;

class SandboxServer final : public RunningServer {
 public:
  struct Parts {
    std::shared_ptr<LiveTls> tls;  // outlives the server, which reads its files
    Services services;
    std::unique_ptr<UnknownMethods> unknown;
    std::unique_ptr<grpc::Server> server;
    int port = 0;
  };
  explicit SandboxServer(Parts parts) : parts_(std::move(parts)) {}
  SandboxServer(const SandboxServer&) = delete;
  SandboxServer& operator=(const SandboxServer&) = delete;
  ~SandboxServer() override {
    parts_.server->Shutdown(std::chrono::system_clock::now() + farewell);
  }
  int port() const override { return parts_.port; }

 private:
  Parts parts_;
};

// Supervisors ping every 10 s, idle or not: gRPC's defaults would answer with GOAWAY.
void set_limits(grpc::ServerBuilder& builder, std::chrono::milliseconds ping_tolerance) {
  builder.SetMaxReceiveMessageSize(received_limit);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             static_cast<int>(ping_tolerance.count()));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 16'384);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 64);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetResourceQuota(
      grpc::ResourceQuota("sandboxes").Resize(memory_limit).SetMaxThreads(thread_limit));
}

}  // namespace

bool is_loopback(const std::string& listen) {
  const auto colon = listen.find_last_of(':');
  if (colon == std::string::npos) return false;
  const std::string host = listen.substr(0, colon);
  if (host == "[::1]") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
}

Result<std::unique_ptr<RunningServer>> start_sandbox_server(const SandboxServerSettings& settings,
                                                            const ServiceDeps& deps) {
  if (!settings.tls && !is_loopback(settings.listen))
    return fail(Code::denied,
                "--listen " + settings.listen +
                    ": plaintext is served on a loopback address only; use --tls-dir");
  // grpc.health.v1.Health and grpc.reflection.v1alpha, to anybody: they tell what is public anyway.
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  Services services;
  services.push_back(make_openshell_service(deps));
  services.push_back(make_inference_service(deps));
  grpc::ServerBuilder builder;
  set_limits(builder, settings.ping_tolerance);
  int port = 0;
  builder.AddListeningPort(
      settings.listen,
      settings.tls ? settings.tls->credentials() : grpc::InsecureServerCredentials(), &port);
  for (const auto& service : services) builder.RegisterService(service.get());
  auto unknown = std::make_unique<UnknownMethods>(deps);
  builder.RegisterCallbackGenericService(unknown.get());
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> watchers;
  watchers.push_back(std::make_unique<UnreadableRequests>(deps));
  builder.experimental().SetInterceptorCreators(std::move(watchers));
  auto server = builder.BuildAndStart();
  if (!server || port == 0)
    return fail(Code::unavailable,
                "--listen " + settings.listen +
                    ": cannot listen: the address is not this machine's, the port is taken, or the "
                    "certificate and key do not belong together");
  return std::make_unique<SandboxServer>(SandboxServer::Parts{
      settings.tls, std::move(services), std::move(unknown), std::move(server), port});
}

}  // namespace keyward::gateway
