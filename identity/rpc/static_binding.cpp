#include "identity/rpc/static_binding.hpp"

namespace keyward::identity {

using Binding = openshell::v1::StaticCredentialBinding;

std::string provider_of(const Binding& binding) {
  return binding.credential_identity().substr(0, binding.credential_identity().find(':'));
}

Result<std::vector<netproxy::EndpointBinding>> endpoints_of(const std::string& name,
                                                            const Binding& binding) {
  std::vector<netproxy::EndpointBinding> endpoints;
  for (const auto& wire : binding.endpoints()) {
    // Through the one parser of bindings, so that a strange host cannot match in a strange way.
    const bool v6 = wire.host().find(':') != std::string::npos;
    const std::string host = v6 ? "[" + wire.host() + "]" : wire.host();
    const std::string port = wire.port() == 0 ? "" : ":" + std::to_string(wire.port());
    const bool rooted = wire.path().empty() || wire.path().starts_with('/');
    auto parsed = netproxy::parse_binding(host + port + (rooted ? "" : "/") + wire.path());
    if (!parsed || host.find('/') != std::string::npos)
      return fail(Code::invalid, name + ": has a malformed endpoint binding");
    endpoints.push_back(std::move(*parsed));
  }
  if (endpoints.empty()) return fail(Code::invalid, name + ": is bound to no endpoint");
  return endpoints;
}

}  // namespace keyward::identity
