#include "identity/rpc/health.hpp"

#include <grpcpp/grpcpp.h>

#include "base/bytes.hpp"
#include "base/http_date.hpp"
#include "identity/rpc/gateway_channel.hpp"
#include "identity/rpc/status.hpp"

namespace keyward::identity {
namespace {

constexpr std::chrono::seconds deadline{8};
constexpr std::size_t shown_limit = 64;

std::optional<TimePoint> date_of(const grpc::ClientContext& context) {
  const auto& metadata = context.GetServerInitialMetadata();
  const auto found = metadata.find("date");
  if (found == metadata.end()) return std::nullopt;
  return parse_http_date({found->second.data(), found->second.size()});
}

}  // namespace

RpcResult<GatewayHealth> ask_health(const GatewayEndpoint& endpoint, AgentTls agent) {
  auto channel = GatewayChannel::create(endpoint, agent);
  if (!channel) return tl::unexpected(RpcError{grpc_invalid_argument, channel.error().what, true});
  const auto stub = (*channel)->stub();
  if (!stub) return tl::unexpected(agent_rpc_error(stub.error(), endpoint.url));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + deadline);
  openshell::v1::HealthResponse response;
  const grpc::Status status = (*stub)->Health(&context, openshell::v1::HealthRequest(), &response);
  if (!status.ok()) return tl::unexpected(rpc_error(status, endpoint.url));
  return GatewayHealth{printable(response.version(), shown_limit), date_of(context)};
}

}  // namespace keyward::identity
