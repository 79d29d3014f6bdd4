// Which service and region a request is signed for (netproxy/sigv4/signer.hpp, choose_target).

#include "netproxy/sigv4/host_target.hpp"
#include "netproxy/sigv4/signer.hpp"
#include "netproxy/sigv4/sigv4a.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::size_t shown = 64;  // characters of what a client says, in a refusal

// A host that is no AWS endpoint says nothing; the refusal of one that takes no signature stands.
Result<HostTarget> reading_of(std::string_view host) {
  auto named = host_target(host);
  if (!named && named.error().code == Code::not_found) return HostTarget{};
  return named;
}

tl::unexpected<Error> disagree(const std::string& client, std::string_view what,
                               const std::string& other) {
  return fail(Code::denied,
              "the client signs for " + std::string(what) + client.substr(0, shown) + ", " + other);
}

Result<std::string> choose_service(std::string_view policy,
                                   const std::optional<ClientScope>& client,
                                   const HostTarget& host) {
  if (!policy.empty()) {
    if (client && client->service != policy)
      return disagree(client->service, "", "the policy for " + std::string(policy));
    return std::string(policy);
  }
  if (client && !host.service.empty() && client->service != host.service)
    return disagree(client->service, "", "the host is of " + host.service);
  if (client) return client->service;
  if (host.service.empty() || host.service_guessed)
    return fail(Code::invalid,
                "no service: the host does not say one surely, nor does the client; set "
                "signing_service in the policy");
  return host.service;
}

bool agrees(const ClientScope& client, std::string_view region) {
  return client.algorithm == SigningAlgorithm::hmac ? client.region == region
                                                    : region_set_covers(client.region, region);
}

Result<std::string> choose_region(std::string_view policy, const std::optional<ClientScope>& client,
                                  const HostTarget& host) {
  if (!policy.empty()) return std::string(policy);
  const bool host_knows = !host.region.empty() && !host.region_assumed;
  if (client && host_knows && !agrees(*client, host.region))
    return disagree(client->region, "region ", "the host is in " + host.region);
  if (client && !client->region.empty()) return client->region;
  if (!host.region.empty()) return host.region;
  return fail(Code::invalid,
              "no region: the host does not say one, nor does the client; set signing_region in "
              "the policy");
}

}  // namespace

Result<SigningTarget> choose_target(std::string_view policy_region, std::string_view policy_service,
                                    const std::optional<ClientScope>& client,
                                    std::string_view host) {
  auto named = reading_of(host);
  // The operator's word for both stands, whatever the host is.
  if (!named && !policy_region.empty() && !policy_service.empty()) named = HostTarget{};
  if (!named) return tl::unexpected(named.error());
  SigningTarget target;
  TRY_ASSIGN(target.service, choose_service(policy_service, client, *named));
  TRY_ASSIGN(target.region, choose_region(policy_region, client, *named));
  target.algorithm = named->algorithm;
  return target;
}

}  // namespace keyward::netproxy
