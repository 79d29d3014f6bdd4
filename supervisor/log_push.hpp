#pragma once
// Pushes the supervisor's own log lines to its gateway, where an operator reads them (`gateway
// sandbox logs`).  Never the program's output.  A gateway that does not answer costs memory for a
// bounded number of lines, and the log on standard error loses nothing.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "identity/rpc/gateway_client.hpp"

namespace keyward::supervisor {

class LogPush final : public log::Observer {
 public:
  using Push = std::function<identity::RpcResult<>(const std::vector<identity::PushedLine>&)>;
  static constexpr std::size_t queue_limit = 1024, batch_limit = 50;  // lines

  // Lines of `level` and above, from now on.  There is one at a time in a process.
  LogPush(Push push, log::Level level, const Clock& clock);
  LogPush(const LogPush&) = delete;
  LogPush& operator=(const LogPush&) = delete;
  ~LogPush() override;  // pushes what is left, once; as long as one push takes

  void line(log::Level level, std::string_view event, log::Fields fields) override;

 private:
  void run(const std::stop_token& stop);
  std::vector<identity::PushedLine> take();
  void put_back(std::vector<identity::PushedLine> lines);
  bool push_with_losses(std::vector<identity::PushedLine> lines);

  const Push push_;
  const log::Level level_;
  const Clock& clock_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable_any more_;
  std::deque<identity::PushedLine> queue_;
  std::atomic<std::uint64_t> lost_ = 0;  // since the last push that arrived
  std::jthread thread_;
};

}  // namespace keyward::supervisor
