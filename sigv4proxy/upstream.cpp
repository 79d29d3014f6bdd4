#include "sigv4proxy/upstream.hpp"

#include "base/url.hpp"
#include "netproxy/http/target.hpp"
#include "netproxy/sigv4/canonical.hpp"
#include "netproxy/sigv4/host_region.hpp"

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

}  // namespace

Result<Upstream> choose_upstream(const Options& options, const std::string& configured_region) {
  Upstream upstream;
  TRY(set_destination(upstream, options));
  TRY(set_authority(upstream, options.sign_host));
  upstream.target = {options.region, options.service};
  if (upstream.target.region.empty())
    upstream.target.region =
        netproxy::region_of_host(signed_host(upstream)).value_or(configured_region);
  if (upstream.target.region.empty())
    return fail(Code::invalid, "no region: the host's name does not say one; give --region");
  if (upstream.target.service.empty())
    return fail(Code::invalid, "no service: the host's name does not say one; give --service");
  upstream.key = (upstream.secure ? "https " : "http ") + upstream.to.host + ":" +
                 std::to_string(upstream.to.port);
  return upstream;
}

}  // namespace keyward::sigv4proxy
