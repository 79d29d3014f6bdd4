// Many supervisors' standings with a gateway in one process, as tests/e2e/soak_test.py drives them.
//   supervisors ENDPOINT CA DIRECTORY
// One for each NAME that is read from standard input, with the token DIRECTORY/NAME/sandbox.jwt:
// each is the supervisor's own session with a channel, a refresher, a poller and a presence of its
// own.  Prints "running" when the input has ended and all have started; on SIGTERM one line of JSON
// for each, and a last one with how often each line of the log came.

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/file.hpp"
#include "base/log.hpp"
#include "supervisor/gateway_session.hpp"

namespace keyward::supervisor {
namespace {

constexpr int starters = 8;  // supervisors that start, or end, at the same time
constexpr timespec look_interval{0, 250'000'000};

// How often each event came, instead of a thousand supervisors' log.
class EventCount final : public log::Observer {
 public:
  EventCount() { log::set_observer(this); }
  EventCount(const EventCount&) = delete;
  EventCount& operator=(const EventCount&) = delete;
  ~EventCount() override { log::set_observer(nullptr); }

  void line(log::Level, std::string_view event, log::Fields) override {
    const std::lock_guard lock(mutex_);
    ++counts_[std::string(event)];
  }
  std::string json() {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const auto& [event, count] : counts_)
      text += (text.empty() ? "" : ", ") + log::json_quote(event) + ": " + std::to_string(count);
    return "{" + text + "}";
  }

 private:
  std::mutex mutex_;
  std::map<std::string, long> counts_;
};

struct Gateway {
  std::string url, ca_file, ca_pem;
};

class Supervisor {
 public:
  Supervisor(const Gateway& gateway, const std::string& folder) {
    settings_.endpoint.url = gateway.url;
    settings_.endpoint.ca_pem = gateway.ca_pem;
    settings_.endpoint.files.ca = gateway.ca_file;
    settings_.token_file = folder + "/sandbox.jwt";
    settings_.control_socket = folder + "/control/control.sock";
    settings_.push_level = std::nullopt;  // one process has one log
  }

  Result<> start() {
    TRY_ASSIGN(session_, GatewaySession::start(
                             {settings_, Secret(), policy_, credentials_, grants_, clock_}));
    jti_ = session_->token()->jti;
    return {};
  }

  void look() {
    const auto token = session_->token();
    if (token->jti != jti_) ++refreshes_;
    jti_ = token->jti;
    if (token->expires <= clock_.now()) ++expired_;
    if (policy_.get() == nullptr) ++denied_;
  }

  void end() { session_.reset(); }

  std::string json() const {
    return "{\"sandbox\": \"" + sandbox_id() + "\", \"refreshes\": " + std::to_string(refreshes_) +
           ", \"expired\": " + std::to_string(expired_) +
           ", \"denied\": " + std::to_string(denied_) + "}";
  }

 private:
  std::string sandbox_id() const { return session_->token()->sandbox_id; }

  const SystemClock clock_;
  GatewaySettings settings_;
  Snapshot<netproxy::Policy> policy_;
  CredentialStore credentials_;
  TokenGrants grants_{settings_.grants, clock_};
  std::unique_ptr<GatewaySession> session_;
  std::string jti_;
  long refreshes_ = 0;
  long expired_ = 0, denied_ = 0;  // looks that found it so
};

using Supervisors = std::vector<std::unique_ptr<Supervisor>>;

// What several threads do in turns.
void together(const std::function<void()>& work) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < starters; ++i) threads.emplace_back(work);
}

// Those that standard input names, as they are named; the first failure ends it.
Result<Supervisors> start(const Gateway& gateway, const std::string& directory) {
  std::mutex mutex;  // guards what follows, and the input
  Supervisors supervisors;
  Result<> all;
  const auto next_name = [&]() -> std::optional<std::string> {
    const std::lock_guard lock(mutex);
    std::string name;
    if (!all || !std::getline(std::cin, name)) return std::nullopt;
    return name;
  };
  together([&] {
    while (const auto name = next_name()) {
      auto supervisor = std::make_unique<Supervisor>(gateway, directory + "/" + *name);
      const Result<> started = supervisor->start();
      const std::lock_guard lock(mutex);
      if (started) supervisors.push_back(std::move(supervisor));
      if (!started && all) all = fail_at(*name, started.error());
    }
  });
  TRY(all);
  return supervisors;
}

void end(const Supervisors& supervisors) {
  std::atomic<std::size_t> next{0};
  together([&] {
    for (std::size_t n = next++; n < supervisors.size(); n = next++) supervisors[n]->end();
  });
}

Result<> run(const std::string& url, const std::string& ca_file, const std::string& directory) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before the first thread: all inherit it
  EventCount events;
  TRY_ASSIGN(const std::string ca, read_file(ca_file));
  TRY_ASSIGN(const Supervisors supervisors, start({url, ca_file, ca}, directory));
  std::printf("running\n");
  std::fflush(stdout);
  while (::sigtimedwait(&signals, nullptr, &look_interval) != SIGTERM)
    for (const auto& each : supervisors) each->look();
  for (const auto& each : supervisors) std::printf("%s\n", each->json().c_str());
  std::printf("{\"events\": %s}\n", events.json().c_str());
  std::fflush(stdout);
  end(supervisors);
  return {};
}

}  // namespace
}  // namespace keyward::supervisor

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: supervisors ENDPOINT CA DIRECTORY\n");
    return 2;
  }
  keyward::log::set_level(keyward::log::Level::error);
  const auto done = keyward::supervisor::run(argv[1], argv[2], argv[3]);
  if (!done) std::fprintf(stderr, "supervisors: %s\n", done.error().what.c_str());
  return done ? 0 : 1;
}
