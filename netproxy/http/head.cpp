#include "netproxy/http/head.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace keyward::netproxy {

const std::string* find_header(const Headers& headers, std::string_view name) {
  const auto found = std::find_if(headers.begin(), headers.end(), [&](const Header& header) {
    return equals_ignoring_case(header.name, name);
  });
  return found == headers.end() ? nullptr : &found->value;
}

std::size_t count_headers(const Headers& headers, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(headers.begin(), headers.end(),
                    [&](const Header& header) { return equals_ignoring_case(header.name, name); }));
}

void remove_header(Headers& headers, std::string_view name) {
  std::erase_if(headers,
                [&](const Header& header) { return equals_ignoring_case(header.name, name); });
}

void set_header(Headers& headers, std::string_view name, std::string value) {
  remove_header(headers, name);
  headers.push_back({std::string(name), std::move(value)});
}

}  // namespace keyward::netproxy
