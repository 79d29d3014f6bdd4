#include "base/log.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <shared_mutex>

#include "base/bytes.hpp"
#include "base/clock.hpp"

namespace keyward::log {
namespace {

std::atomic<Level> threshold{Level::info};
std::shared_mutex& observer_mutex() {
  static std::shared_mutex mutex;
  return mutex;
}
Observer* observed_by = nullptr;  // guarded by observer_mutex()

std::string& program() {
  static std::string name = "keyward";
  return name;
}

// Length of the UTF-8 sequence at `i`, or 0 where it is malformed (RFC 3629 section 4, overlong
// forms excluded).
std::size_t utf8_length(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) {
    return static_cast<std::uint8_t>(k < text.size() ? text[k] : 0);
  };
  const auto tail = [&](std::size_t k) { return (byte(k) & 0xC0) == 0x80; };
  const std::uint8_t lead = byte(i), next = byte(i + 1);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(i + 1) ? 2 : 0;
  if ((lead & 0xF0) == 0xE0) {
    const bool bad = (lead == 0xE0 && next < 0xA0) || (lead == 0xED && next > 0x9F);
    return !bad && tail(i + 1) && tail(i + 2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool bad = (lead == 0xF0 && next < 0x90) || (lead == 0xF4 && next > 0x8F);
    return !bad && tail(i + 1) && tail(i + 2) && tail(i + 3) ? 4 : 0;
  }
  return 0;
}

std::string as_json(Level level, std::string_view event, Fields fields) {
  std::string line = "{\"time\":" + json_quote(iso_time(SystemClock().now())) +
                     ",\"level\":" + json_quote(name_of(level)) +
                     ",\"program\":" + json_quote(program()) + ",\"event\":" + json_quote(event);
  for (const auto& [key, value] : fields) line += "," + json_quote(key) + ":" + json_quote(value);
  return line + "}\n";
}

std::string as_text(Level level, std::string_view event, Fields fields) {
  std::string line = program() + ": " + std::string(name_of(level)) + ": " + std::string(event);
  for (const auto& [key, value] : fields) line += " " + std::string(key) + "=" + json_quote(value);
  return line + "\n";
}

}  // namespace

std::string_view name_of(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warn:
      return "warn";
    case Level::error:
      return "error";
  }
  return "error";
}

void set_observer(Observer* observer) {
  const std::unique_lock lock(observer_mutex());
  observed_by = observer;
}

void set_level(Level level) { threshold = level; }
void set_program(std::string_view name) { program() = name; }

std::string json_quote(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text, i);
    const char c = text[i];
    if (length == 0) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (length == 1 && is_control(c)) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += text.substr(i, length);
    }
    i += length == 0 ? 1 : length;
  }
  return out + "\"";
}

void write(Level level, std::string_view event, Fields fields) {
  {
    const std::shared_lock lock(observer_mutex());
    if (observed_by != nullptr) observed_by->line(level, event, fields);
  }
  if (level < threshold.load(std::memory_order_relaxed)) return;
  static const bool terminal = ::isatty(STDERR_FILENO) == 1;
  const std::string line = terminal ? as_text(level, event, fields) : as_json(level, event, fields);
  // One write per line, so that lines of several threads do not mix.  A full or closed stderr loses
  // the line, never the work.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace keyward::log
