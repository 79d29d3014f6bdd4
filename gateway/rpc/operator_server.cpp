#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "gateway/rpc/admission.hpp"
#include "gateway/rpc/server.hpp"

namespace keyward::gateway {
namespace {

constexpr int backlog = 16;
constexpr std::chrono::seconds farewell{2};

Result<> prepare_directory(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos || slash == 0)
    return fail(Code::invalid, "--operator-socket " + path + ": needs a directory of its own");
  const std::string directory = path.substr(0, slash);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno("--operator-socket: " + directory);
  struct stat status{};
  if (::lstat(directory.c_str(), &status) != 0)
    return fail_errno("--operator-socket: " + directory);
  if (!S_ISDIR(status.st_mode) || (status.st_mode & 077) != 0 || status.st_uid != ::geteuid())
    return fail(Code::denied, "--operator-socket: " + directory +
                                  ": must be a directory with mode 0700 that belongs to the "
                                  "gateway's user; run: chmod 0700 " +
                                  directory);
  return {};
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(Code::invalid, "--operator-socket " + path + ": longer than 107 characters");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// Removes what a killed gateway left; one that answers is another gateway, and stays.
Result<> remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode))
    return fail(Code::exists, "--operator-socket " + path + ": is there and is no socket");
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe) return fail_errno("--operator-socket: socket");
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return fail(Code::exists, "--operator-socket " + path + ": another gateway serves it");
  if (::unlink(path.c_str()) != 0) return fail_errno("--operator-socket " + path);
  return {};
}

Result<UniqueFd> listen_at(const std::string& path) {
  TRY(prepare_directory(path));
  TRY_ASSIGN(const sockaddr_un address, address_of(path));
  TRY(remove_stale(path, address));
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return fail_errno("--operator-socket: socket");
  // The directory is 0700: nobody else reaches the socket between bind and chmod.
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(listener.get(), backlog) != 0)
    return fail_errno("--operator-socket " + path);
  return listener;
}

bool is_operator(int connection) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  if (peer.uid == 0 || peer.uid == ::geteuid()) return true;
  log::warn("operator_refused", {{"uid", std::to_string(peer.uid)}});
  return false;
}

// Whoever has come in by the socket may do what an administrator may.
class OperatorAuthenticator final : public Authenticator {
 public:
  Verdict authenticate(std::string_view, const Presented&, TimePoint) override {
    Principal principal;
    principal.kind = PrincipalKind::user;
    principal.user = {"root", "", "operator_socket", {"openshell-admin"}, Role::admin, {}};
    return principal;
  }
};

AuthenticatorChain chain_of_operator() {
  std::vector<std::unique_ptr<Authenticator>> chain;
  chain.push_back(std::make_unique<OperatorAuthenticator>());
  return AuthenticatorChain(std::move(chain));
}

class OperatorServer final : public RunningServer {
 public:
  OperatorServer(std::string path, UniqueFd listener, const ServiceDeps& deps)
      : path_(std::move(path)), listener_(std::move(listener)), stop_(::eventfd(0, EFD_CLOEXEC)) {
    const ServiceDeps for_operator{deps.store,  deps.issuer, operator_alone_,
                                   deps.audit,  deps.clock,  deps.metrics,
                                   deps.limits, deps.logs,   deps.sessions};
    services_.push_back(make_operator_service(deps));
    services_.push_back(make_openshell_service(for_operator));
    services_.push_back(make_inference_service(for_operator));
  }

  Result<> start() {
    if (!stop_) return fail_errno("--operator-socket: eventfd");
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(static_cast<int>(message_limit));
    for (const auto& service : services_) builder.RegisterService(service.get());
    server_ = builder.BuildAndStart();
    if (!server_) return fail(Code::internal, "--operator-socket: the server does not start");
    thread_ = std::jthread([this] { accept_all(); });
    return {};
  }

  OperatorServer(const OperatorServer&) = delete;
  OperatorServer& operator=(const OperatorServer&) = delete;
  ~OperatorServer() override {
    if (thread_.joinable()) {
      ::eventfd_write(stop_.get(), 1);
      thread_.join();
    }
    ::unlink(path_.c_str());
    if (server_) server_->Shutdown(std::chrono::system_clock::now() + farewell);
  }

  int port() const override { return 0; }

 private:
  void accept_all() {
    for (;;) {
      pollfd waits[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
      if (::poll(waits, 2, -1) < 0 && errno != EINTR) return;
      if (waits[1].revents != 0) return;
      if (waits[0].revents != 0) accept_one();
    }
  }

  void accept_one() {
    UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection) {
      if (errno == EMFILE || errno == ENFILE)  // the listener stays readable: do not spin
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      return;
    }
    if (is_operator(connection.get()))
      grpc::AddInsecureChannelFromFd(server_.get(), connection.release());
  }

  std::string path_;
  UniqueFd listener_, stop_;
  const AuthenticatorChain operator_alone_ = chain_of_operator();
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
  std::jthread thread_;  // ended by stop_, which wakes its poll
};

}  // namespace

Result<std::unique_ptr<RunningServer>> start_operator_server(const std::string& path,
                                                             const ServiceDeps& deps) {
  TRY_ASSIGN(UniqueFd listener, listen_at(path));
  auto server = std::make_unique<OperatorServer>(path, std::move(listener), deps);
  TRY(server->start());
  return std::unique_ptr<RunningServer>(std::move(server));
}

}  // namespace keyward::gateway
