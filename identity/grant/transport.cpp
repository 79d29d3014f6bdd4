#include "identity/grant/transport.hpp"

#include <algorithm>

namespace keyward::identity {
namespace {

tl::unexpected<Error> denied(const Url& url, const std::string& why) {
  return fail(Code::denied, "token endpoint " + url.authority() + ": " + why);
}

std::size_t count_dots(std::string_view host) {
  return static_cast<std::size_t>(std::count(host.begin(), host.end(), '.'));
}

bool is_cluster_name(std::string_view host) {
  return (host.ends_with(".svc") && count_dots(host) == 2) ||
         (host.ends_with(".svc.cluster.local") && count_dots(host) == 4);
}

// By its last label (WHATWG URL standard, "ends in a number").
bool looks_like_a_number(std::string_view host) {
  const std::string_view last = host.substr(host.rfind('.') + 1);
  const bool digits = !last.empty() && std::all_of(last.begin(), last.end(),
                                                   [](char c) { return c >= '0' && c <= '9'; });
  return digits || last.starts_with("0x");
}

}  // namespace

Result<Url> check_token_url(std::string_view text, const TransportRules& rules) {
  Result<Url> parsed = parse_url(text);
  if (!parsed) return fail_at("token endpoint", std::move(parsed).error());
  Url url = std::move(*parsed);
  const bool literal = url.v6 || is_v4_literal(url.host);
  if (!literal && (url.host.ends_with('.') || url.host.starts_with('.')))
    return denied(url, "its name begins or ends with a dot");
  if (!literal && looks_like_a_number(url.host))
    return denied(url, "its name could be read as an address");
  const bool local = is_loopback(url);
  if (local && !rules.loopback)
    return denied(url, "is on this machine, and that is not opened for token endpoints");
  if (!url.tls && !local && !(rules.cluster_cleartext && is_cluster_name(url.host)))
    return denied(url, "must be https://, or the assertion could be read on the way");
  if (url.host == "localhost") url.host = "127.0.0.1";
  return url;
}

Result<> check_token_address(const netproxy::Address& address, const Url& url,
                             const TransportRules& rules) {
  if (!is_loopback(url)) {
    // Who answers for the cluster's names may answer for them with any address.
    if (!url.tls && netproxy::classify(address) != netproxy::AddressClass::internal)
      return denied(url, "without TLS only internal addresses are dialled, and " +
                             netproxy::to_string(address) + " is none");
    const Result<> checked = netproxy::check_address(address, rules.allowed, rules.own);
    if (checked) return {};
    return denied(url, "may not be dialled: " + checked.error().what +
                           " (--grant-range opens ranges for token endpoints)");
  }
  if (netproxy::to_string(address) == url.host) return {};
  return denied(url, "is loopback, and another address is not dialled for it");
}

}  // namespace keyward::identity
