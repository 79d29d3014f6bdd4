#include "gateway/rpc/server.hpp"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "base/log.hpp"
#include "base/unique_fd.hpp"

namespace keyward::gateway {
namespace {

constexpr int max_message = 1 << 20;  // bytes, as the wire contract has it

// Supervisors ping every 10 s, also without calls; grpc-c++ would answer that with GOAWAY by
// default.
void tolerate_pings(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

void set_limits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(max_message);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 64);
  grpc::ResourceQuota quota("gateway");
  quota.SetMaxThreads(64);
  builder.SetResourceQuota(quota);
}

std::shared_ptr<grpc::ServerCredentials> credentials(const ListenSettings& settings) {
  if (settings.certificate_pem.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(settings.client_ca_pem.empty()
                                                ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = settings.client_ca_pem;
  options.pem_key_cert_pairs.push_back(
      {std::string(settings.key_pem.reveal()), settings.certificate_pem});
  return grpc::SslServerCredentials(options);
}

Result<UniqueFd> listen_on_unix_socket(const std::string& path) {
  const std::string directory = path.substr(0, path.find_last_of('/'));
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno("--operator-socket " + directory);
  struct stat status{};
  if (::stat(directory.c_str(), &status) != 0) return fail_errno("--operator-socket " + directory);
  if (status.st_uid != ::geteuid() || (status.st_mode & 022) != 0)
    return fail(Code::denied, "--operator-socket: " + directory +
                                  " must belong to root and be writable by nobody else");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(Code::invalid, "--operator-socket: the path is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ::unlink(path.c_str());
  const mode_t before = ::umask(0177);
  const int bound =
      listener ? ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address)
               : -1;
  ::umask(before);
  if (bound != 0 || ::listen(listener.get(), 16) != 0)
    return fail_errno("--operator-socket " + path);
  return listener;
}

bool is_root(const UniqueFd& connection) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         peer.uid == 0;
}

class GrpcServer final : public Server {
 public:
  Result<> initialize(const ListenSettings& settings, ServiceDeps deps) {
    sandbox_service_ = make_sandbox_service(deps);
    operator_service_ = make_operator_service(deps);
    grpc::ServerBuilder builder;
    tolerate_pings(builder);
    set_limits(builder);
    builder.AddListeningPort(settings.address, credentials(settings), &port_);
    builder.RegisterService(sandbox_service_.get());
    server_ = builder.BuildAndStart();
    if (!server_ || port_ == 0)
      return fail(Code::unavailable,
                  "--listen " + settings.address +
                      ": cannot listen; is the port in use, or the certificate unusable?");
    return start_operator(settings.operator_socket);
  }

  GrpcServer() = default;
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;
  ~GrpcServer() override {
    stop_.reset();  // the acceptor sees the other end close
    if (acceptor_.joinable()) acceptor_.join();
    const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(1);
    if (operator_server_) operator_server_->Shutdown(deadline);
    if (server_) server_->Shutdown(deadline);
    if (!socket_path_.empty()) ::unlink(socket_path_.c_str());
  }

  int port() const override { return port_; }

 private:
  // gRPC cannot ask who is at the other end of a unix socket, so the connections are accepted here
  // and handed over.
  Result<> start_operator(const std::string& path) {
    TRY_ASSIGN(UniqueFd listener, listen_on_unix_socket(path));
    socket_path_ = path;
    grpc::ServerBuilder builder;
    set_limits(builder);
    builder.RegisterService(operator_service_.get());
    operator_server_ = builder.BuildAndStart();
    if (!operator_server_) return fail(Code::internal, "operator socket: cannot start");
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("operator socket: pipe");
    stop_.reset(ends[1]);
    acceptor_ = std::thread([this, fd = std::move(listener), stopped = UniqueFd(ends[0])] {
      accept_operators(fd, stopped);
    });
    return {};
  }

  void accept_operators(const UniqueFd& listener, const UniqueFd& stopped) {
    for (;;) {
      pollfd waiting[] = {{listener.get(), POLLIN, 0}, {stopped.get(), 0, 0}};
      if (::poll(waiting, 2, -1) < 0 && errno != EINTR) return;
      if (waiting[1].revents != 0) return;
      UniqueFd connection(
          ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!connection) continue;
      if (!is_root(connection)) {
        log::warn("operator_socket_refused", {{"reason", "peer is not root"}});
        continue;
      }
      grpc::AddInsecureChannelFromFd(operator_server_.get(), connection.release());
    }
  }

  int port_ = 0;
  std::string socket_path_;
  std::unique_ptr<grpc::Service> sandbox_service_, operator_service_;
  std::unique_ptr<grpc::Server> server_, operator_server_;
  UniqueFd stop_;
  std::thread acceptor_;
};

}  // namespace

bool is_loopback_address(std::string_view text) {
  return text.starts_with("127.") || text.starts_with("[::1]:") || text.starts_with("localhost:");
}

Result<std::unique_ptr<Server>> Server::start(const ListenSettings& settings, ServiceDeps deps) {
  if (settings.certificate_pem.empty() && !is_loopback_address(settings.address))
    return fail(Code::denied, "--listen " + settings.address +
                                  ": plaintext is for loopback addresses only; give --tls-dir");
  auto server = std::make_unique<GrpcServer>();
  TRY(server->initialize(settings, deps));
  return server;
}

}  // namespace keyward::gateway
