#include "gateway/log_book.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace keyward::gateway {
namespace {

void cut(LogLine& line) {
  std::size_t room = LogBook::line_limit;
  const auto take = [&room](std::string& text) {
    text.resize(utf8_prefix(text, room).size());
    room -= text.size();
  };
  take(line.level);
  take(line.target);
  take(line.message);
  std::map<std::string, std::string> kept;
  for (auto& [name, value] : line.fields) {
    if (name.size() + value.size() > room) break;
    room -= name.size() + value.size();
    kept.emplace(name, std::move(value));
  }
  line.fields = std::move(kept);
}

std::size_t size_of(const LogLine& line) {
  std::size_t size = sizeof line + line.level.size() + line.target.size() + line.message.size();
  for (const auto& [name, value] : line.fields) size += name.size() + value.size();
  return size;
}

}  // namespace

void LogBook::drop_silent() {
  const auto silent = std::min_element(
      pages_.begin(), pages_.end(),
      [](const auto& a, const auto& b) { return a.second.touched < b.second.touched; });
  bytes_ -= silent->second.bytes;
  pages_.erase(silent);
}

void LogBook::append(Page& page, LogLine line) {
  cut(line);
  line.number = ++page.count;
  page.bytes += size_of(line);
  bytes_ += size_of(line);
  page.lines.push_back(std::move(line));
  if (page.lines.size() <= lines_limit) return;
  page.bytes -= size_of(page.lines.front());
  bytes_ -= size_of(page.lines.front());
  page.lines.pop_front();
}

void LogBook::add(const std::string& sandbox_id, std::vector<LogLine> lines) {
  const std::lock_guard lock(mutex_);
  if (pages_.count(sandbox_id) == 0 && pages_.size() >= sandboxes_limit) drop_silent();
  Page& page = pages_[sandbox_id];
  page.touched = ++turn_;
  for (LogLine& line : lines) append(page, std::move(line));
  while (bytes_ > bytes_limit && pages_.size() > 1) drop_silent();
}

std::vector<LogLine> LogBook::lines(const std::string& sandbox_id, std::uint64_t after) const {
  const std::lock_guard lock(mutex_);
  const auto found = pages_.find(sandbox_id);
  if (found == pages_.end()) return {};
  std::vector<LogLine> wanted;
  for (const LogLine& line : found->second.lines)
    if (line.number > after) wanted.push_back(line);
  return wanted;
}

void LogBook::forget(const std::string& sandbox_id) {
  const std::lock_guard lock(mutex_);
  const auto found = pages_.find(sandbox_id);
  if (found == pages_.end()) return;
  bytes_ -= found->second.bytes;
  pages_.erase(found);
}

}  // namespace keyward::gateway
