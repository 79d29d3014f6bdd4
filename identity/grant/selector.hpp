#pragma once
// Which requests a binding is for, how specific it is, and which two bindings meet.  Pure.

#include <compare>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"
#include "netproxy/endpoint_binding.hpp"

namespace keyward::identity {

// Host patterns as the policy has them (netproxy/policy/glob.hpp).  A path is a pattern, too;
// empty,
// `**` and `/**` mean all paths, and `/a/**` is `/a` and everything below it.
using Selector = netproxy::EndpointBinding;

// A request's canonical host, port and path (without the query).
struct RequestTarget {
  std::string_view host;
  std::uint16_t port = 0;
  std::string_view path;
  std::string_view signer = {};  // the provider whose keys the policy wants; empty: anybody's
};

bool selects(const Selector& selector, const RequestTarget& target);

// Compared member by member in this order, greater is more specific: an exact host before a
// pattern; more labels that are no stars; a pattern within a label before `*` before `**`; more
// characters beside the stars of that label; an exact path before a pattern before all paths; a
// longer part before the first star; more characters beside the stars; a port before all ports.
struct Specificity {
  int host_exact = 0, host_labels = 0, host_star = 0, host_characters = 0;
  int path_form = 0, path_prefix = 0, path_characters = 0;
  int port_given = 0;
  auto operator<=>(const Specificity&) const = default;
};
Specificity specificity_of(const Selector& selector);

// Is there a request that both select?  Where a path has a set (`[a-z]`), it counts as any
// character: never false when there is one.
bool overlaps(const Selector& a, const Selector& b);

// Does `outer` select everything that `inner` selects?  Never true when it does not.
bool is_within(const Selector& inner, const Selector& outer);

// Lower-case host, patterns that can be decided, no whole top-level domains (Code::invalid).
Result<> check_selector(const Selector& selector);

}  // namespace keyward::identity
