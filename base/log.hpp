#pragma once
// The operational log: enumerated event names with fields, on stderr, text on a terminal and JSON
// lines elsewhere.  Only L2 and L3 code logs; L1 returns facts.  Never pass a secret, and never
// free text built from foreign bytes: values are escaped, but a reader should not have to trust
// them.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace keyward::log {

enum class Level { debug, info, warn, error };

using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

std::string_view name_of(Level level);

// Gets each line on the thread that logs, whatever the level of the log itself is.  Must not log.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void line(Level level, std::string_view event, Fields fields) = 0;
};
// Null: nobody.  When it returns, the one before is not called any more.
void set_observer(Observer* observer);

// Once, by main, before any thread.  Unknown names are refused by the option parser, not here.
void set_level(Level level);
void set_program(std::string_view name);

void write(Level level, std::string_view event, Fields fields = {});  // any thread

inline void debug(std::string_view event, Fields fields = {}) {
  write(Level::debug, event, fields);
}
inline void info(std::string_view event, Fields fields = {}) { write(Level::info, event, fields); }
inline void warn(std::string_view event, Fields fields = {}) { write(Level::warn, event, fields); }
inline void error(std::string_view event, Fields fields = {}) {
  write(Level::error, event, fields);
}

// Quotes and escapes a value for JSON: control bytes, quotes, backslashes; bytes that are no UTF-8
// become U+FFFD.
std::string json_quote(std::string_view text);

}  // namespace keyward::log
