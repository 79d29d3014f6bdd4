#include "sigv4proxy/upstream.hpp"

#include "base/url.hpp"
#include "netproxy/http/target.hpp"
#include "netproxy/sigv4/canonical.hpp"
#include "netproxy/sigv4/host_target.hpp"

namespace keyward::sigv4proxy {
namespace {

using netproxy::canonical_host;

std::uint16_t default_port(bool secure) { return secure ? 443 : 80; }

Result<std::string> path_prefix(const std::string& target) {
  if (target.find('?') != std::string::npos)
    return fail(Code::invalid, "--forward-to: a query cannot be put before a request's");
  TRY(netproxy::canonical_target(target, netproxy::s3_path_style));
  std::string prefix = target;
  while (prefix.ends_with('/')) prefix.pop_back();
  return prefix;
}

Result<> set_destination(Upstream& upstream, const Options& options) {
  const bool by_url = !options.forward_to.empty();
  const std::string text = by_url ? options.forward_to : options.scheme + "://" + options.host;
  const char* option = by_url ? "--forward-to" : "--host";
  Result<Url> url = parse_url(text);
  if (!url) return fail_at(option, std::move(url).error());
  Result<std::string> host = canonical_host(url->host);
  if (!host) return fail_at(option, std::move(host).error());
  if (!by_url && url->target != "/") return fail(Code::invalid, "--host: HOST[:PORT] only");
  TRY_ASSIGN(upstream.prefix, path_prefix(url->target));
  upstream.to = {std::move(*host), url->port};
  upstream.secure = url->tls;
  return {};
}

Result<> set_authority(Upstream& upstream, const std::string& sign_host) {
  const std::uint16_t usual = default_port(upstream.secure);
  upstream.authority = netproxy::format_authority(upstream.to.host, upstream.to.port, usual);
  if (sign_host.empty()) return {};
  auto parsed = netproxy::parse_authority(sign_host);
  if (!parsed) return fail_at("--sign-host", std::move(parsed).error());
  auto host = canonical_host(parsed->host);
  if (!host) return fail_at("--sign-host", std::move(host).error());
  upstream.authority =
      netproxy::format_authority(*host, parsed->port == 0 ? usual : parsed->port, usual);
  return {};
}

std::string signed_host(const Upstream& upstream) {
  const auto authority = netproxy::parse_authority(upstream.authority);
  return authority ? authority->host : upstream.to.host;
}

// A host that is no AWS endpoint says nothing; one that takes no signature may be signed for only
// where the operator names the service.
Result<netproxy::HostTarget> reading_of(const std::string& host, bool service_named) {
  auto named = netproxy::host_target(host);
  if (named) return named;
  if (named.error().code == Code::not_found || service_named) return netproxy::HostTarget{};
  return named;
}

tl::unexpected<Error> missing(const std::string& what) {
  return fail(Code::invalid, "no " + what + ": the host's name does not say one; give --" + what);
}

Result<netproxy::SigningTarget> signing_target(const Options& options, const std::string& host,
                                               const std::string& configured_region) {
  using netproxy::SigningAlgorithm;
  TRY_ASSIGN(const auto named, reading_of(host, !options.service.empty()));
  netproxy::SigningTarget target{options.region, options.service, named.algorithm};
  if (options.sigv4a) target.algorithm = SigningAlgorithm::ecdsa;
  if (target.region.empty()) target.region = named.region;
  if (target.region.empty()) target.region = configured_region;
  if (!options.region_set.empty()) target.region = options.region_set;
  if (target.region.empty()) return missing("region");
  if (target.service.empty() && named.service_guessed)
    return fail(Code::invalid, "the host's service is not known; if it is " + named.service +
                                   ", give --service " + named.service);
  if (target.service.empty()) target.service = named.service;
  if (target.service.empty()) return missing("service");
  return target;
}

}  // namespace

Result<Upstream> choose_upstream(const Options& options, const std::string& configured_region) {
  Upstream upstream;
  TRY(set_destination(upstream, options));
  TRY(set_authority(upstream, options.sign_host));
  TRY_ASSIGN(upstream.target, signing_target(options, signed_host(upstream), configured_region));
  upstream.key = (upstream.secure ? "https " : "http ") + upstream.to.host + ":" +
                 std::to_string(upstream.to.port);
  return upstream;
}

Result<std::shared_ptr<const Upstream>> AwsHosts::find(const std::string& authority) {
  constexpr std::size_t most_known = 256;
  {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(authority);
    if (found != known_.end()) return found->second;
  }
  TRY_ASSIGN(Upstream upstream, read(authority));
  auto shared = std::make_shared<const Upstream>(std::move(upstream));
  const std::lock_guard lock(mutex_);
  if (known_.size() >= most_known) known_.clear();
  known_.emplace(authority, shared);
  return shared;
}

Result<Upstream> AwsHosts::read(const std::string& authority) const {
  TRY_ASSIGN(const auto parsed, netproxy::parse_authority(authority));
  if (parsed.port != 0 && parsed.port != default_port(true))
    return fail(Code::invalid, "endpoints of AWS are asked on port 443 only");
  Options options = options_;
  TRY_ASSIGN(options.host, canonical_host(parsed.host));
  if (const auto named = netproxy::host_target(options.host); !named)
    return fail(Code::invalid, options.host + ": " + named.error().what);
  return choose_upstream(options, configured_region_);
}

}  // namespace keyward::sigv4proxy
