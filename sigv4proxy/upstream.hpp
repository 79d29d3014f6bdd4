#pragma once
// Where requests go and what they are signed for, read from the options.  Pure.

#include <string>

#include "base/result.hpp"
#include "netproxy/policy/policy.hpp"
#include "netproxy/sigv4/signer.hpp"
#include "sigv4proxy/options.hpp"

namespace keyward::sigv4proxy {

struct Upstream {
  netproxy::Destination to;
  bool secure = true;
  std::string prefix;     // path that comes before every request's, without a slash at its end
  std::string authority;  // the Host that is sent and signed
  netproxy::SigningTarget target;
  std::string key;  // for the connection pool
};

// `configured_region`: of the AWS configuration, may be empty.  Service and region are the
// options', else what the host's name says, else the configured region.  Errors name the option.
Result<Upstream> choose_upstream(const Options& options, const std::string& configured_region);

}  // namespace keyward::sigv4proxy
