#pragma once
// What an AWS host name says about signing (AWS General Reference, "Service endpoints"; S3 User
// Guide, "Virtual hosting of buckets").  Read from the right and anchored on the partition's
// suffix: what stands left of the service label is a bucket, an account or an id, chosen by others,
// and means nothing.  Regions are known by their pattern, so that those opened later work.  Pure.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "netproxy/sigv4/signature.hpp"

namespace keyward::netproxy {

struct HostTarget {
  std::string service;  // the signing name
  std::string region;   // empty: not in the name, it must be given; "*": all (SigV4a)
  SigningAlgorithm algorithm = SigningAlgorithm::hmac;
  bool service_guessed = false;  // the label as it stands, of a service that no table knows
  bool region_assumed = false;   // S3's global endpoint: the bucket may be in another region
};

// Any spelling of the name: case, one trailing dot and a port do not count.  Errors:
// Code::not_found, not an AWS host (another domain, an IP literal, a single label) or none of the
// known shapes; Code::denied, a host that takes no signature (S3 websites, container images …).
Result<HostTarget> host_target(std::string_view host);

}  // namespace keyward::netproxy
