#include "netproxy/audit/jsonl.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "base/log.hpp"
#include "netproxy/audit/ocsf.hpp"

namespace keyward::netproxy {
namespace {

using Steady = std::chrono::steady_clock;

// Events are gathered for this long, so that a busy proxy pays for one write and one wake-up per
// hundreds of events.
constexpr auto gather_time = std::chrono::milliseconds(10);
constexpr auto flush_time = std::chrono::seconds(1);
constexpr int poll_step_ms = 50;
constexpr std::size_t write_size = std::size_t{256} << 10;

std::size_t size_of(const AuditEvent& event) {
  return sizeof event + event.host.size() + event.address.size() + event.method.size() +
         event.path.size() + event.scheme.size() + event.rule.size() + event.policy_hash.size() +
         event.reason.size() + event.detail.size() + event.credential.size() +
         event.signing.size() + event.signing_service.size() + event.signing_region.size();
}

std::size_t size_of(const GrantEvent& event) {
  return sizeof event + event.credential.size() + event.server.size() + event.workload.size() +
         event.audience.size() + event.detail.size();
}

class JsonlAuditSink final : public AuditSink {
 public:
  JsonlAuditSink(UniqueFd fd, const Clock& clock) : fd_(std::move(fd)), clock_(clock) {
    struct stat status{};
    regular_ = ::fstat(fd_.get(), &status) == 0 && S_ISREG(status.st_mode);
    writer_ = std::jthread([this] { run(); });
  }
  JsonlAuditSink(const JsonlAuditSink&) = delete;
  JsonlAuditSink& operator=(const JsonlAuditSink&) = delete;
  ~JsonlAuditSink() override {
    {
      const std::lock_guard lock(mutex_);
      stop_at_ = Steady::now() + flush_time;
    }
    wake_.notify_one();
    writer_.join();
  }

  void record(const AuditEvent& event) override { enqueue(event, size_of(event)); }
  void record(const GrantEvent& event) override { enqueue(event, size_of(event)); }

 private:
  using Event = std::variant<AuditEvent, GrantEvent>;
  struct Waiting {
    TimePoint time;
    Event event;
  };

  void enqueue(Event event, std::size_t size) {
    Waiting copy{clock_.now(), std::move(event)};
    bool wake = false;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_bytes_ + size > audit_queue_limit) {
        ++dropped_;
        return;
      }
      wake = waiting_.empty();
      waiting_bytes_ += size;
      waiting_.push_back(std::move(copy));
    }
    if (wake) wake_.notify_one();
  }

  void run() {
    // Signals belong to the main thread; a blocked SIGPIPE makes a closed pipe an error of write.
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    for (bool stopping = false; !stopping;) {
      std::vector<Waiting> batch;
      std::uint64_t dropped = 0;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return !waiting_.empty() || stop_at_; });
        wake_.wait_for(lock, gather_time, [&] { return stop_at_.has_value(); });
        batch.swap(waiting_);
        waiting_bytes_ = 0;
        dropped = std::exchange(dropped_, 0);
        stopping = stop_at_.has_value();
      }
      write_batch(batch, dropped);
    }
  }

  // What cannot be written is lost, which is counted and said in the next record that can.
  void write_batch(const std::vector<Waiting>& batch, std::uint64_t dropped) {
    lost_ += dropped;
    std::string text;
    for (const Waiting& waiting : batch) {
      text +=
          std::visit([&](const auto& event) { return ocsf_line(event, ++sequence_, waiting.time); },
                     waiting.event);
      text += '\n';
      if (text.size() >= write_size) lost_ += write_lines(std::exchange(text, {}));
    }
    lost_ += write_lines(std::move(text));
    if (lost_ == 0) return;
    if (write_lines(ocsf_dropped_line(lost_, ++sequence_, clock_.now()) + "\n") == 0) lost_ = 0;
  }

  // How many lines were lost.
  std::uint64_t write_lines(std::string text) {
    const bool closes_line = half_line_ && !text.empty();
    if (closes_line) text.insert(text.begin(), '\n');
    std::string_view rest = text;
    while (!rest.empty()) {
      const std::size_t written = write_some(rest);
      if (written == 0) break;
      half_line_ = rest[written - 1] != '\n';
      rest.remove_prefix(written);
    }
    const bool nothing = rest.size() == text.size();
    const auto ends = static_cast<std::uint64_t>(std::count(rest.begin(), rest.end(), '\n'));
    return ends - (closes_line && nothing ? 1 : 0);
  }

  // Bytes written, 0 where none can be.
  std::size_t write_some(std::string_view text) {
    while (!writable()) {
      const std::lock_guard lock(mutex_);
      if (stop_at_ && Steady::now() >= *stop_at_) return 0;
    }
    // A pipe that polls as writable takes PIPE_BUF bytes without blocking.
    const std::size_t piece = regular_ ? text.size() : std::min<std::size_t>(text.size(), PIPE_BUF);
    const ssize_t written = ::write(fd_.get(), text.data(), piece);
    if (written < 0 && regular_ && !std::exchange(failing_, true))
      log::warn("audit_write_failed", {{"error", fail_errno("write").value().what}});
    if (written > 0) failing_ = false;
    return written < 0 ? 0 : static_cast<std::size_t>(written);
  }

  bool writable() const {
    pollfd waited{fd_.get(), POLLOUT, 0};
    return ::poll(&waited, 1, poll_step_ms) != 0;
  }

  UniqueFd fd_;
  const Clock& clock_;
  bool regular_ = false;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t dropped_ = 0;
  std::optional<Steady::time_point> stop_at_;

  // The writer's own.
  std::uint64_t sequence_ = 0, lost_ = 0;
  bool half_line_ = false;  // a write stopped inside a line
  bool failing_ = false;
  std::jthread writer_;
};

Result<> make_parents(const std::string& path) {
  for (auto slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1))
    if (::mkdir(path.substr(0, slash).c_str(), 0700) != 0 && errno != EEXIST)
      return fail_errno("--audit-log " + path.substr(0, slash));
  return {};
}

// The image's files are not trusted: a link, a fifo or a file that others can write is no place for
// an audit trail.
Result<> check_file(const std::string& path, int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return fail_errno("--audit-log " + path);
  if (!S_ISREG(status.st_mode) || status.st_nlink != 1)
    return fail(Code::invalid, "--audit-log " + path + ": must be a regular file with one name");
  if ((status.st_uid != 0 && status.st_uid != ::geteuid()) || (status.st_mode & 022) != 0)
    return fail(Code::denied,
                "--audit-log " + path + ": other users can write it; remove it or set --audit-log");
  return {};
}

}  // namespace

std::unique_ptr<AuditSink> open_audit_fd(UniqueFd fd, const Clock& clock) {
  return std::make_unique<JsonlAuditSink>(std::move(fd), clock);
}

Result<std::unique_ptr<AuditSink>> open_audit_file(const std::string& path, const Clock& clock) {
  if (path == "-") {
    UniqueFd fd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!fd) return fail_errno("--audit-log standard error");
    return open_audit_fd(std::move(fd), clock);
  }
  TRY(make_parents(path));
  UniqueFd fd(::open(path.c_str(),
                     O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
                     0600));
  if (!fd) return fail_errno("--audit-log " + path);
  TRY(check_file(path, fd.get()));
  return open_audit_fd(std::move(fd), clock);
}

}  // namespace keyward::netproxy
