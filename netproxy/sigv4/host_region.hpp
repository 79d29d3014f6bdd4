#pragma once
// The region that an AWS host name says (AWS General Reference, "Service endpoints").  Read from
// the right, anchored on the partition's suffix: what stands left of the service is a bucket or an
// id, chosen by others.

#include <optional>
#include <string>
#include <string_view>

namespace keyward::netproxy {

// `host` is canonical.  nullopt: no AWS host, or one whose region is not in the name
// (s3-accelerate, global endpoints other than S3's): it must be given.
std::optional<std::string> region_of_host(std::string_view host);

}  // namespace keyward::netproxy
