#include "netproxy/audit/jsonl.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "netproxy/audit/ocsf.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::size_t max_pending = 65'536;
constexpr std::size_t batch_bytes = 65'536;

class JsonlSink final : public AuditSink {
 public:
  JsonlSink(UniqueFd fd, const Clock& clock)
      : fd_(std::move(fd)), clock_(clock), writer_([this] { write_until_ended(); }) {}
  JsonlSink(const JsonlSink&) = delete;
  JsonlSink& operator=(const JsonlSink&) = delete;
  ~JsonlSink() override {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_one();
    writer_.join();
  }

  void record(const AuditEvent& event) override {
    const TimePoint time = clock_.now();
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      if (pending_.size() >= max_pending) {
        ++dropped_;
        return;
      }
      first = pending_.empty();
      pending_.push_back({event, time});
    }
    if (first) changed_.notify_one();
  }

 private:
  struct Pending {
    AuditEvent event;
    TimePoint time;
  };

  void write_until_ended() {
    for (;;) {
      std::vector<Pending> batch;
      std::uint64_t dropped = 0;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return ended_ || !pending_.empty(); });
        if (pending_.empty()) return;
        batch.swap(pending_);
        dropped = std::exchange(dropped_, 0);
      }
      write_batch(batch, dropped);
    }
  }

  void write_batch(const std::vector<Pending>& batch, std::uint64_t dropped) {
    std::string text;
    for (const Pending& pending : batch) {
      text.append(ocsf_line(pending.event, ++sequence_, pending.time)).append("\n");
      if (text.size() >= batch_bytes) flush(text);
    }
    if (dropped > 0)
      text.append(ocsf_dropped_line(dropped, ++sequence_, clock_.now())).append("\n");
    flush(text);
  }

  void flush(std::string& text) {
    std::string_view left = text;
    while (!left.empty()) {
      const ssize_t written = ::write(fd_.get(), left.data(), left.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        if (!std::exchange(failing_, true))
          log::error("audit_write_failed", {{"errno", std::to_string(errno)}});
        break;
      }
      failing_ = false;
      left.remove_prefix(static_cast<std::size_t>(written));
    }
    text.clear();
  }

  UniqueFd fd_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Pending> pending_;
  std::uint64_t dropped_ = 0;
  bool ended_ = false;
  std::uint64_t sequence_ = 0;  // the writer's
  bool failing_ = false;        // the writer's
  std::thread writer_;          // last: it uses the others
};

Result<UniqueFd> open_file(const std::string& path) {
  if (path == "-") {
    UniqueFd fd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!fd) return fail_errno("audit log: standard error");
    return fd;
  }
  const std::string directory = path.substr(0, path.find_last_of('/'));
  if (!directory.empty() && path.find('/') != std::string::npos &&
      ::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno("--audit-log " + path + ": its directory cannot be made");
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd)
    return fail_errno("--audit-log " + path +
                      " (give a file that can be written, or - for standard error)");
  return fd;
}

}  // namespace

Result<std::unique_ptr<AuditSink>> open_audit_file(const std::string& path, const Clock& clock) {
  TRY_ASSIGN(UniqueFd fd, open_file(path));
  return std::make_unique<JsonlSink>(std::move(fd), clock);
}

}  // namespace keyward::netproxy
