#pragma once
// The last lines that each sandbox's supervisor has pushed, in memory: what an operator looks at,
// not a record.  With several gateways each one has the lines that came to it.

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace keyward::gateway {

struct LogLine {
  std::uint64_t number = 0;  // counts up for each sandbox, from 1 on
  TimePoint time;
  std::string level, target, message;
  std::map<std::string, std::string> fields;
};

class LogBook {  // any thread
 public:
  static constexpr std::size_t lines_limit = 1000;  // of one sandbox; older ones are forgotten
  static constexpr std::size_t line_limit = 4096;   // bytes; longer texts are cut
  // Beyond these, the sandbox that was silent longest is forgotten.
  static constexpr std::size_t sandboxes_limit = 4096, bytes_limit = std::size_t{64} << 20;

  void add(const std::string& sandbox_id, std::vector<LogLine> lines);
  // The lines with a number above `after`, oldest first.
  std::vector<LogLine> lines(const std::string& sandbox_id, std::uint64_t after) const;
  void forget(const std::string& sandbox_id);

 private:
  struct Page {
    std::deque<LogLine> lines;
    std::size_t bytes = 0;
    std::uint64_t count = 0, touched = 0;
  };
  void append(Page& page, LogLine line);
  void drop_silent();

  mutable std::mutex mutex_;
  std::map<std::string, Page> pages_;
  std::size_t bytes_ = 0;  // of all pages
  std::uint64_t turn_ = 0;
};

}  // namespace keyward::gateway
