#include "identity/spiffe/agent_channel.hpp"

#include <grpcpp/grpcpp.h>
#include <sys/stat.h>

#include <cerrno>

#include "identity/rpc/library_variables.hpp"

namespace keyward::identity {
namespace {

constexpr int message_limit = 1 << 20;  // bytes

std::shared_ptr<grpc::Channel> connect(const WorkloadEndpoint& endpoint) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // What one attempt may take, in spite of its name; the pause between two is set beside it.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  // A replaced socket is another agent: its connection must not be found again.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(message_limit);
  return grpc::CreateCustomChannel("unix:" + endpoint.path, grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace

AgentChannel::AgentChannel(WorkloadEndpoint endpoint) : endpoint_(std::move(endpoint)) {
  quiet_grpc();
}

Result<AgentChannel::SocketFile> AgentChannel::look() const {
  struct stat found{};
  if (::stat(endpoint_.path.c_str(), &found) != 0) {
    if (errno == ENOENT)
      return fail(Code::unavailable,
                  endpoint_.path + " is not there; is the SPIFFE agent running?");
    return fail(Code::invalid,
                endpoint_.path + " may not be looked at; check its directories' modes");
  }
  if (!S_ISSOCK(found.st_mode)) return fail(Code::invalid, endpoint_.path + " is no socket");
  return SocketFile{found.st_dev, found.st_ino, found.st_ctim};
}

Result<> AgentChannel::renew() {
  TRY_ASSIGN(const SocketFile file, look());
  if (open_ && file_ == file) return {};
  open_ = connect(endpoint_);
  file_ = file;
  stub_ = SpiffeWorkloadAPI::NewStub(open_);
  driver_.emplace(open_);
  return {};
}

Result<std::shared_ptr<AgentChannel::Stub>> AgentChannel::stub() {
  const std::lock_guard lock(mutex_);
  TRY(renew());
  return stub_;
}

Result<std::shared_ptr<grpc::Channel>> AgentChannel::channel() {
  const std::lock_guard lock(mutex_);
  TRY(renew());
  return open_;
}

void mark_workload_call(grpc::ClientContext& context,
                        std::optional<std::chrono::milliseconds> patience) {
  context.AddMetadata("workload.spiffe.io", "true");
  if (patience) context.set_deadline(std::chrono::system_clock::now() + *patience);
}

}  // namespace keyward::identity
