#pragma once
// What is told and counted of token grants: never what was sent or given.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/exposition.hpp"
#include "base/result.hpp"

namespace keyward::identity {

// One question for a token or for keys, when it has ended.
struct GrantReport {
  std::string credential;            // PROVIDER:CREDENTIAL of who asked first
  std::string kind;                  // to_string(GrantKind)
  std::string server;                // server_of(); empty: the agent alone was asked
  std::string workload;              // SPIFFE ID; empty where none is configured
  std::string audience;              // that the token is for, or the role whose keys they are
  bool renewal = false;              // something was held meanwhile
  std::optional<Error> error;        // none: granted
  std::chrono::seconds lifetime{0};  // of what was granted, as its giver says
  std::string key_id_end;            // of keys, the last four characters of their id
  std::chrono::microseconds took{0};
};

class GrantObserver {
 public:
  virtual ~GrantObserver() = default;
  virtual void answered(const GrantReport& report) = 0;  // any thread; does not block
};

// How a request for a token was served.
enum class GrantServed {
  held,     // from the cache
  waited,   // for a question
  refused,  // by a failure that is remembered
};

// Not for several threads: its owner holds a lock.
class GrantMetrics {
 public:
  void count(GrantServed how) { ++served_.at(static_cast<std::size_t>(how)); }
  void count(const GrantReport& report);
  void count_wait(std::chrono::microseconds time) { waits_.count(time); }
  void count_rejection() { ++rejections_; }

  // What is not counted but looked at.
  struct Gauges {
    std::size_t held = 0, waiting = 0, asked = 0;  // entries, questions in the queue and under way
  };
  // Prometheus' text format.
  std::string text(const Gauges& gauges) const;

 private:
  std::array<std::uint64_t, 3> served_{};
  std::map<std::pair<std::string, std::string>, std::uint64_t> fetches_;  // by server and result
  DurationHistogram durations_, waits_;
  std::uint64_t rejections_ = 0;
};

}  // namespace keyward::identity
