#pragma once
// The names under which AWS services sign (botocore's service models: endpoint prefix and signing
// name), as far as host names need them.  Pure.

#include <optional>
#include <string_view>

namespace keyward::netproxy {

// The signing name of an endpoint prefix of one or two labels ("bedrock-runtime", "api.ecr"), given
// in lower case without "-fips".  nullopt: not a prefix that this table knows.
std::optional<std::string_view> signing_name(std::string_view prefix);

// Prefixes whose hosts take no AWS signature: container images (Basic and Bearer), IoT credentials
// (client certificates), SMTP.
bool is_never_signed(std::string_view prefix);

// The region in which a service signs that has one endpoint for the whole aws partition; nullopt
// for a regional one.
std::optional<std::string_view> global_region(std::string_view service);

}  // namespace keyward::netproxy
