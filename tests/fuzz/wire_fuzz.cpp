// Messages of the wire turned into values: a policy, changes of one, a provider's environment.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "gateway/rpc/policy_merge.hpp"
#include "gateway/rpc/policy_rows.hpp"
#include "identity/rpc/provider_environment.hpp"
#include "netproxy/policy/policy.hpp"
#include "openshell.pb.h"
#include "proto/policy_wire.hpp"

using namespace keyward;

namespace {

void policy(const std::string& bytes) {
  openshell::sandbox::v1::SandboxPolicy wire;
  if (!wire.ParseFromString(bytes)) return;
  const auto model = wire::from_wire(wire);
  if (!model) return;
  const auto again = wire::from_wire(wire::to_wire(*model));
  if (!again || !(*again == *model)) std::abort();  // stored and delivered, it is the same
  (void)netproxy::compile(*model);
  (void)gateway::policy_row(wire, TimePoint());
}

void change(const std::string& bytes) {
  openshell::v1::UpdateConfigRequest request;
  if (!request.ParseFromString(bytes)) return;
  openshell::sandbox::v1::SandboxPolicy wire = request.policy();
  for (const auto& operation : request.merge_operations()) (void)gateway::apply(operation, wire);
  (void)gateway::policy_row(wire, TimePoint());
}

void environment(const std::string& bytes) {
  openshell::v1::GetSandboxProviderEnvironmentResponse response;
  if (response.ParseFromString(bytes)) (void)identity::take_provider_environment(response);
}

}  // namespace

// The first byte chooses the message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 3) {
    case 0:
      policy(bytes);
      break;
    case 1:
      change(bytes);
      break;
    default:
      environment(bytes);
  }
  return 0;
}
