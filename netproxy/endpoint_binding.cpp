#include "netproxy/endpoint_binding.hpp"

#include <algorithm>
#include <charconv>

#include "base/bytes.hpp"

namespace keyward::netproxy {
namespace {

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '*' ||
         c == ':' || c == '_';
}

}  // namespace

Result<EndpointBinding> parse_binding(std::string_view text) {
  const std::string shown(text);
  EndpointBinding binding;
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    binding.path = text.substr(slash);
    text = text.substr(0, slash);
  }
  const bool bracketed = text.starts_with('[');
  const auto host_end = bracketed ? text.find(']') : text.find(':');
  if (bracketed && host_end == std::string_view::npos)
    return fail(Code::invalid, "binding " + shown + ": missing ']'");
  binding.host = lower(bracketed ? text.substr(1, host_end - 1) : text.substr(0, host_end));
  std::string_view rest =
      host_end == std::string_view::npos ? "" : text.substr(host_end + (bracketed ? 1 : 0));
  if (!rest.empty()) {
    const auto [end, error] =
        std::from_chars(rest.data() + 1, rest.data() + rest.size(), binding.port);
    if (rest[0] != ':' || error != std::errc() || end != rest.data() + rest.size() ||
        binding.port == 0)
      return fail(Code::invalid, "binding " + shown + ": the port must be 1 to 65535");
  }
  if (binding.host.empty() ||
      !std::all_of(binding.host.begin(), binding.host.end(), is_host_character))
    return fail(Code::invalid, "binding " + shown + ": expected HOST[:PORT][/PATH]");
  return binding;
}

}  // namespace keyward::netproxy
