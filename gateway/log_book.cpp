#include "gateway/log_book.hpp"

#include <algorithm>

namespace keyward::gateway {
namespace {

// How much of `text` fits into `room` without splitting a character of UTF-8.
std::size_t whole_characters(const std::string& text, std::size_t room) {
  while (room > 0 && (static_cast<unsigned char>(text[room]) & 0xC0) == 0x80) --room;
  return room;
}

void cut(LogLine& line) {
  std::size_t room = LogBook::line_limit;
  const auto take = [&room](std::string& text) {
    if (text.size() > room) text.resize(whole_characters(text, room));
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

}  // namespace

void LogBook::make_room() {
  if (pages_.size() < sandboxes_limit) return;
  pages_.erase(std::min_element(pages_.begin(), pages_.end(), [](const auto& a, const auto& b) {
    return a.second.touched < b.second.touched;
  }));
}

void LogBook::add(const std::string& sandbox_id, std::vector<LogLine> lines) {
  const std::lock_guard lock(mutex_);
  if (pages_.count(sandbox_id) == 0) make_room();
  Page& page = pages_[sandbox_id];
  page.touched = ++turn_;
  for (LogLine& line : lines) {
    cut(line);
    line.number = ++page.count;
    page.lines.push_back(std::move(line));
    if (page.lines.size() > lines_limit) page.lines.pop_front();
  }
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
  pages_.erase(sandbox_id);
}

}  // namespace keyward::gateway
