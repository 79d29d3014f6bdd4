// Input: a host name.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "netproxy/sigv4/host_target.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_same(const Result<HostTarget>& a, const Result<HostTarget>& b) {
  if (a.has_value() != b.has_value()) return false;
  if (!a) return a.error().code == b.error().code;
  return a->service == b->service && a->region == b->region && a->algorithm == b->algorithm &&
         a->service_guessed == b->service_guessed && a->region_assumed == b->region_assumed;
}

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string host(reinterpret_cast<const char*>(data), size);
  const auto target = host_target(host);
  // One name, one answer.
  require(is_same(target, host_target(upper(host))));
  if (host.find(':') == std::string::npos) {
    require(is_same(target, host_target(host + ":443")));
    if (!host.ends_with('.')) require(is_same(target, host_target(host + ".")));
    // Another domain's names mean nothing.
    const auto foreign = host_target(host + ".evil.example");
    require(!foreign && foreign.error().code == Code::not_found);
  }
  if (!target) {
    require(target.error().code == Code::not_found || target.error().code == Code::denied);
    return 0;
  }
  require(!target->service.empty());
  require((target->region == "*") == (target->algorithm == SigningAlgorithm::ecdsa));
  // What stands in front is a bucket or an id.
  if (!target->region.empty()) require(is_same(target, host_target("some-bucket." + host)));
  return 0;
}
