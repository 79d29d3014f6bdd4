// Input: one byte that chooses the path's rules, then lines: the target, and `name:value` headers.
// What the canonicaliser says must be what a slow, literal reading of the rules says.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "netproxy/sigv4/canonical.hpp"

using namespace keyward::netproxy;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// --- The rules, letter by letter: no tables, no shared helpers. ---

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decode(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
    } else {
      if (text.size() - i < 3 || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0)
        return std::nullopt;
      out.push_back(static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])));
      i += 2;
    }
  }
  return out;
}

std::string encode(const std::string& text, bool keep_slash) {
  std::string out;
  for (const char c : text) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool plain = letter || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
                       c == '~' || (c == '/' && keep_slash);
    if (plain) {
      out.push_back(c);
    } else {
      const int value = static_cast<unsigned char>(c);
      out.push_back('%');
      out.push_back("0123456789ABCDEF"[value / 16]);
      out.push_back("0123456789ABCDEF"[value % 16]);
    }
  }
  return out;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back().push_back(c);
  }
  return parts;
}

std::string normalized(const std::string& path) {
  std::vector<std::string> kept;
  for (const std::string& segment : split(path, '/')) {
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(segment);
    }
  }
  std::string out = "/";
  for (const std::string& segment : kept) out += segment + "/";
  if (out.size() > 1 && path.back() != '/') out.pop_back();
  return out;
}

struct Literal {
  std::string path, query;
};

std::optional<Literal> literal_target(const std::string& target, bool s3) {
  const std::size_t mark = target.find('?');
  std::string path = target.substr(0, mark);
  if (!path.empty() && path[0] != '/') return std::nullopt;
  if (path.empty()) path = "/";
  Literal out;
  if (!s3) path = normalized(path);
  const auto decoded = decode(path);
  if (!decoded) return std::nullopt;
  out.path = encode(s3 ? *decoded : path, true);
  std::vector<std::pair<std::string, std::string>> items;
  for (const std::string& raw :
       split(mark == std::string::npos ? "" : target.substr(mark + 1), '&')) {
    if (raw.empty()) continue;
    const std::size_t equals = raw.find('=');
    const auto name = decode(raw.substr(0, equals));
    const auto value = decode(equals == std::string::npos ? "" : raw.substr(equals + 1));
    if (!name || !value) return std::nullopt;
    std::pair<std::string, std::string> item(encode(*name, false), encode(*value, false));
    std::size_t at = 0;
    while (at < items.size() && !(item < items[at])) ++at;
    items.insert(items.begin() + static_cast<std::ptrdiff_t>(at), item);
  }
  for (const auto& [name, value] : items)
    out.query += (out.query.empty() ? "" : "&") + name + "=" + value;
  return out;
}

std::string lowered(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::string folded(const std::string& value) {
  std::string out;
  bool gap = false;
  for (const char c : value) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      gap = !out.empty();
    } else {
      if (gap) out.push_back(' ');
      gap = false;
      out.push_back(c);
    }
  }
  return out;
}

std::string literal_request(const Literal& target, const Headers& headers) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const Header& header : headers) {
    const std::string name = lowered(header.name);
    std::size_t at = 0;
    while (at < lines.size() && lines[at].first < name) ++at;
    if (at < lines.size() && lines[at].first == name)
      lines[at].second += "," + folded(header.value);
    else
      lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), {name, folded(header.value)});
  }
  std::string block, names;
  for (const auto& [name, value] : lines) {
    block += name + ":" + value + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  return "PUT\n" + target.path + "\n" + target.query + "\n" + block + "\n" + names + "\nhash";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool s3 = (data[0] & 1) != 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<std::string> lines = split(text, '\n');
  Headers headers;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::size_t colon = lines[i].find(':');
    if (colon == std::string::npos || colon == 0) continue;
    headers.push_back({lines[i].substr(0, colon), lines[i].substr(colon + 1)});
  }
  const auto target = canonical_target(lines[0], s3 ? s3_path_style : general_path_style);
  const auto literal = literal_target(lines[0], s3);
  require(target.has_value() == literal.has_value());
  if (!target) return 0;
  require(target->path == literal->path && target->query == literal->query);
  require(canonical_request("PUT", *target, headers, "hash").text ==
          literal_request(*literal, headers));
  // What is sent reads as what was signed.
  const auto again = literal_target(target->sent, s3);
  require(again && again->path == literal->path && again->query == literal->query);
  return 0;
}
