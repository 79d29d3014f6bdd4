#pragma once
// Where requests go and what they are signed for, read from the options.  Pure.

#include <map>
#include <memory>
#include <mutex>
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

// --any-aws-host: each request's own host says where it goes and what it is signed for.  For any
// thread.
class AwsHosts {
 public:
  AwsHosts(Options options, std::string configured_region)
      : options_(std::move(options)), configured_region_(std::move(configured_region)) {}

  // `authority` is what the client has sent.  Errors are for the client: it names no endpoint of
  // AWS that takes signatures, or a port other than 443.
  Result<std::shared_ptr<const Upstream>> find(const std::string& authority);

 private:
  Result<Upstream> read(const std::string& authority) const;

  const Options options_;
  const std::string configured_region_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Upstream>> known_;  // bounded
};

}  // namespace keyward::sigv4proxy
