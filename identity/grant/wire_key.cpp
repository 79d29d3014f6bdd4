#include "identity/grant/wire_key.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace keyward::identity {
namespace {

constexpr std::size_t key_limit = 8192, name_limit = 253;  // bytes

tl::unexpected<Error> malformed(const std::string& why) {
  return fail(Code::invalid, "dynamic credential's key: " + why);
}

std::optional<std::array<std::string_view, 4>> four_parts(std::string_view text) {
  std::array<std::string_view, 4> parts;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto tab = text.find('\t');
    if (tab == std::string_view::npos) return std::nullopt;
    parts.at(i) = text.substr(0, tab);
    text.remove_prefix(tab + 1);
  }
  parts[3] = text;
  if (text.find('\t') != std::string_view::npos) return std::nullopt;
  return parts;
}

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0 || text[0] == '0')
    return malformed("the port must be 1 to 65535");
  return port;
}

}  // namespace

Result<WireKey> parse_wire_key(std::string_view text) {
  if (text.size() > key_limit) return malformed("longer than 8192 bytes");
  const auto parts = four_parts(text);
  if (!parts) return malformed("is not four parts with tabs between them");
  const auto& [host, port, path, name] = *parts;
  WireKey key;
  if (host.size() > name_limit) return malformed("the host is longer than 253 bytes");
  key.where.host = host;
  TRY_ASSIGN(key.where.port, parse_port(port));
  if (!is_visible(path)) return malformed("the path has blanks or control characters");
  key.where.path = path;
  if (!check_selector(key.where)) return malformed("its host or path is no pattern that is taken");
  const auto colon = name.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == name.size() ||
      !is_visible(name))
    return malformed("the last part is not PROVIDER:CREDENTIAL");
  key.provider = name.substr(0, colon);
  key.credential = name.substr(colon + 1);
  return key;
}

std::string write_wire_key(const WireKey& key) {
  return key.where.host + "\t" + std::to_string(key.where.port) + "\t" + key.where.path + "\t" +
         key.identity();
}

}  // namespace keyward::identity
