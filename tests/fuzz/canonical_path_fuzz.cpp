// Input: one byte of switches, then a path; the same bytes are read as a host and as a signed
// target.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "netproxy/policy/glob.hpp"
#include "netproxy/policy/policy.hpp"
#include "netproxy/sigv4/canonical.hpp"

using namespace keyward::netproxy;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// The canonical form is a fixed point: reading what was forwarded again gives the same decision.
void check_path(std::string_view raw, PathRules rules, bool encoded_slash) {
  const auto path = canonical_path(raw, rules, encoded_slash);
  if (!path) return;
  require(path->starts_with('/'));
  const auto again = canonical_path(*path, rules, encoded_slash);
  require(again.has_value() && *again == *path);
  if (rules == PathRules::s3_verbatim) return;
  require(path->find("//") == std::string::npos && path->find("/../") == std::string::npos);
  require(encoded_slash || path->find("%2F") == std::string::npos);
}

void check_target(std::string_view raw, PathStyle style) {
  const auto target = canonical_target(raw, style);
  if (!target) return;
  const auto again = canonical_target(target->sent, style);
  require(again.has_value() && again->sent == target->sent && again->query == target->query);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  check_path(text, (data[0] & 1) != 0 ? PathRules::s3_verbatim : PathRules::general,
             (data[0] & 2) != 0);
  check_target(text, (data[0] & 1) != 0 ? s3_path_style : general_path_style);
  if (const auto host = canonical_host(text)) {
    const auto again = canonical_host(*host);
    require(again.has_value() && *again == *host);
  }
  const auto half = text.size() / 2;
  (void)path_matches(text.substr(0, half), text.substr(half));
  (void)host_matches(text.substr(0, half), text.substr(half));
  (void)program_matches(text.substr(0, half), text.substr(half));
  return 0;
}
