#include "netproxy/policy/readings.hpp"

#include <vector>

#include "netproxy/policy/glob.hpp"
#include "netproxy/policy/percent.hpp"

namespace keyward::netproxy {
namespace {

Result<std::string> resolve_leniently(std::string_view path, bool parameters) {
  std::vector<std::string_view> kept;
  bool directory = true;
  for (std::size_t at = 1; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    std::string_view segment = path.substr(at, end - at);
    if (parameters) segment = segment.substr(0, segment.find(';'));
    at = end + 1;
    directory = segment.empty() || segment == "." || segment == "..";
    if (segment == ".." && kept.empty())
      return fail(Code::invalid, "path: a server may read it as leading above the root");
    if (segment == "..")
      kept.pop_back();
    else if (!directory)
      kept.push_back(segment);
  }
  std::string out;
  for (const std::string_view segment : kept) out.append("/").append(segment);
  if (directory || out.empty()) out += '/';
  return out;
}

}  // namespace

bool PathReadings::all_match(std::string_view pattern) const {
  return path_matches(pattern, plain) && (!lenient || path_matches(pattern, *lenient));
}

bool PathReadings::any_matches(std::string_view pattern) const {
  return path_matches(pattern, plain) || (lenient && path_matches(pattern, *lenient));
}

Result<PathReadings> read_path(std::string_view canonical, PathRules rules) {
  PathReadings readings;
  TRY_ASSIGN(readings.plain, percent_decode(canonical));
  const bool parameters = rules == PathRules::general;
  const bool plain_only = readings.plain.find("//") == std::string::npos &&
                          readings.plain.find("/.") == std::string::npos &&
                          (!parameters || readings.plain.find(';') == std::string::npos);
  if (plain_only) return readings;
  TRY_ASSIGN(std::string lenient, resolve_leniently(readings.plain, parameters));
  if (lenient != readings.plain) readings.lenient = std::move(lenient);
  return readings;
}

Result<std::string> decode_pattern(std::string_view pattern) {
  for (std::size_t at = 0; (at = pattern.find('%', at)) != std::string_view::npos; at += 3) {
    const auto byte = percent_decode(pattern.substr(at, 3));
    if (!byte || byte->find_first_of("*?[") != std::string::npos)
      return fail(Code::invalid, "path pattern " + std::string(pattern.substr(0, 256)) +
                                     ": malformed escape or escaped wildcard (write [*] or [?])");
  }
  return percent_decode(pattern);
}

}  // namespace keyward::netproxy
