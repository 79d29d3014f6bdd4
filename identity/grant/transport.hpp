#pragma once
// Which URLs and addresses a token endpoint may have.  Pure.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/url.hpp"
#include "netproxy/guard/address.hpp"

namespace keyward::identity {

struct TransportRules {
  bool loopback = false;  // endpoints on this machine, by literal or as `localhost`, also http
  bool cluster_cleartext =
      false;  // http to NAME.NAMESPACE.svc and NAME.NAMESPACE.svc.cluster.local
  std::vector<netproxy::AddressRange> allowed;  // internal ranges that are opened
  std::vector<netproxy::Address> own;           // this machine's, never dialled
};

// `localhost` comes back as 127.0.0.1, whatever a hosts file says.  Refused beside what parse_url
// refuses: http, and loopback, where the rules do not open them; names that some resolvers read as
// an address (127.1, 0x7f000001); a dot at the end.  Errors: Code::denied, Code::invalid.
Result<Url> check_token_url(std::string_view text, const TransportRules& rules);

// For each address that the URL's host turned out to be.  A loopback address is dialled only where
// the URL names one, and then nothing else is.
Result<> check_token_address(const netproxy::Address& address, const Url& url,
                             const TransportRules& rules);

}  // namespace keyward::identity
