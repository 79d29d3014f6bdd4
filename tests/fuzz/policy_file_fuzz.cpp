#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "netproxy/policy/policy.hpp"
#include "netproxy/policy/yaml.hpp"

using namespace keyward::netproxy;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto model = parse_policy({reinterpret_cast<const char*>(data), size}, "policy.yaml");
  if (!model) return 0;
  const auto policy = compile(*model);
  if (!policy) return 0;
  const std::string programs[] = {"/usr/bin/curl"};
  for (const char* host : {"s3.keyward.test", "a.example.com"}) {
    const Verdict tunnel = policy->decide_connect({host, 443}, programs);
    const Verdict request = policy->decide_request({host, 443}, "GET", "/a/b", programs);
    // A request can only pass through an endpoint that also opens the tunnel.
    if (request.allowed && !tunnel.allowed) std::abort();
  }
  return 0;
}
