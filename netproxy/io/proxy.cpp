#include "netproxy/io/proxy.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <thread>

#include "base/log.hpp"
#include "netproxy/io/session.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::chrono::milliseconds accept_pause{100};
constexpr std::size_t trim_after = 256;  // closed connections

// Counts a connection from its acceptance to the end of its session.
class Place {
 public:
  explicit Place(Worker& worker) : worker_(&worker) { ++worker.shared.connections; }
  Place(Place&& other) noexcept : worker_(std::exchange(other.worker_, nullptr)) {}
  Place& operator=(Place&&) = delete;
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    if (worker_ == nullptr) return;
    --worker_->shared.connections;
    ++worker_->closed_connections;
  }

 private:
  Worker* worker_;
};

Task<> serve(Worker& worker, UniqueFd socket, Place place) {
  const Place held = std::move(place);
  try {
    Session session(worker, std::move(socket));
    co_await session.serve();
  } catch (const std::exception& failure) {
    log::error("connection_failed", {{"what", failure.what()}});
  }
}

// Too many: one answer that fits any socket buffer, and no waiting for a client that may be
// hostile.
void turn_away(const UniqueFd& socket) {
  const std::string answer = render(overloaded(), {});
  (void)::send(socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

// A listening socket under a number of this loop's own; closed once nothing more is accepted.
struct Listening {
  Listening(Loop& loop, UniqueFd listener)
      : socket(std::move(listener)), readiness(loop, socket.get()) {}
  UniqueFd socket;
  Readiness readiness;
};

Task<> accept(Worker& worker, std::unique_ptr<Listening> listening) {
  Readiness& readiness = listening->readiness;
  worker.loop.on_drain([&readiness] { readiness.cancel(); });
  while (!worker.loop.draining()) {
    // One at a time: the other loops take their share of a burst.
    readiness.report_again();
    const bool reported = co_await readiness.wait(Readiness::Side::reading);
    if (!reported) continue;
    UniqueFd client(
        ::accept4(listening->socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client) {
      const bool nothing = errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
      if (nothing) continue;
      // Out of descriptors or memory: others must end first.
      Event pause(worker.loop, std::chrono::steady_clock::now() + accept_pause);
      co_await pause.wait();
      continue;
    }
    if (worker.shared.connections >= worker.shared.settings.limits.max_connections) {
      turn_away(client);
      continue;
    }
    const int on = 1;
    ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    worker.loop.spawn(serve(worker, std::move(client), Place(worker)));
  }
}

void trim_memory(Worker& worker) {
  if (worker.closed_connections < trim_after) return;
  worker.closed_connections = 0;
  ::malloc_trim(0);
}

class ThreadedProxy final : public Proxy {
 public:
  ThreadedProxy(ProxySettings settings, ProxyDeps deps)
      : shared_{std::move(settings), deps, nullptr, {}} {}
  ThreadedProxy(const ThreadedProxy&) = delete;
  ThreadedProxy& operator=(const ThreadedProxy&) = delete;
  ~ThreadedProxy() override;
  Result<> launch(const UniqueFd& listener);
  void drain() override;
  std::size_t active_connections() const override { return shared_.connections; }

 private:
  Result<> add_worker(const UniqueFd& listener);

  Shared shared_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::jthread> threads_;
};

Result<> ThreadedProxy::add_worker(const UniqueFd& listener) {
  // The same socket under another number: every loop waits on its own.
  UniqueFd own(::fcntl(listener.get(), F_DUPFD_CLOEXEC, 0));
  if (!own) return fail_errno("proxy: dup of the listener");
  auto worker = std::make_unique<Worker>(shared_);
  TRY(worker->loop.open());
  auto listening = std::make_unique<Listening>(worker->loop, std::move(own));
  if (!listening->readiness.is_watched())
    return fail(Code::io, "proxy: the listener cannot be watched (epoll)");
  TRY_ASSIGN(worker->resolver, Resolver::create(worker->loop, shared_.settings));
  Worker& it = *worker;
  it.loop.on_tick([&it] { trim_memory(it); });
  it.loop.spawn(accept(it, std::move(listening)));
  workers_.push_back(std::move(worker));
  return {};
}

Result<> ThreadedProxy::launch(const UniqueFd& listener) {
  ProxySettings& settings = shared_.settings;
  TRY_ASSIGN(shared_.upstream_tls, UpstreamTls::create(std::exchange(settings.trust_store_pem, {}),
                                                       settings.verify_upstreams));
  const int flags = ::fcntl(listener.get(), F_GETFL);
  if (flags < 0 || ::fcntl(listener.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    return fail_errno("proxy: listener");
  for (unsigned i = 0; i < std::max(settings.threads, 1U); ++i) TRY(add_worker(listener));
  for (const auto& worker : workers_) threads_.emplace_back([&loop = worker->loop] { loop.run(); });
  return {};
}

void ThreadedProxy::drain() {
  for (const auto& worker : workers_) worker->loop.drain();
}

ThreadedProxy::~ThreadedProxy() {
  for (const auto& worker : workers_) worker->loop.stop();
  threads_.clear();  // joins
}

}  // namespace

Result<std::unique_ptr<Proxy>> Proxy::start(UniqueFd listener, ProxySettings settings,
                                            ProxyDeps deps) {
  auto proxy = std::make_unique<ThreadedProxy>(std::move(settings), deps);
  TRY(proxy->launch(listener));
  return proxy;
}

}  // namespace keyward::netproxy
