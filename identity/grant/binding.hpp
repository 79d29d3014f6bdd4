#pragma once
// Endpoint-bound token grants of one sandbox: an immutable table.  Pure.

#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "identity/grant/grant.hpp"
#include "identity/grant/injection.hpp"
#include "identity/grant/selector.hpp"

namespace keyward::identity {

struct GrantBinding {
  Selector where;
  std::string identity;  // PROVIDER:CREDENTIAL
  Injection inject;      // of keys: Authorization, where the signature goes
  Grant grant;
  // May go to an endpoint without TLS: loopback or in-cluster, and it says so.
  bool cleartext = false;
  std::string key{};  // cache_key() of the grant, once the binding is in a table
  bool operator==(const GrantBinding&) const = default;
};
std::string_view provider_of(const GrantBinding& binding);  // lives as long as the binding

class BindingTable {
 public:
  BindingTable() = default;

  // Refused: a selector, grant or injection that is not good; two bindings for one header that are
  // equally specific and that some request could meet both of, equal ones included; grants that
  // would send one JWT-SVID to two token endpoints, or a raw one of two credentials to two places.
  // Errors name the credentials.
  static Result<BindingTable> build(std::vector<GrantBinding> bindings);

  // The most specific binding for each header name, whatever the order in which they were given.
  // Code::denied where one of them would go out in clear text and may not.  Pointers live as long
  // as the table.
  Result<std::vector<const GrantBinding*>> select(const RequestTarget& target, bool tls) const;
  // Is anything bound to some path there?
  bool binds(std::string_view host, std::uint16_t port) const;

  const std::vector<GrantBinding>& bindings() const { return bindings_; }

 private:
  using Places = std::vector<std::size_t>;  // in bindings_
  using Index = std::map<std::string, Places, std::less<>>;
  Places candidates(std::string_view host) const;

  std::vector<GrantBinding> bindings_;  // the most specific first
  Index exact_, patterns_;              // by host, and by what a pattern has behind its last star
};

// What a profile says for one endpoint of its own, in place of its defaults.
struct GrantOverride {
  Selector where;                   // empty host, port 0, empty path: the endpoint's
  std::string audience;             // empty: the default
  std::vector<std::string> scopes;  // empty: the default
};

// The bindings of one credential: for each endpoint one with the defaults, and one for each
// override that lies within the endpoint.  An override that lies within none is an error, and one
// that is wider than its endpoint is never bound.
Result<std::vector<GrantBinding>> expand_overrides(const GrantBinding& defaults,
                                                   const std::vector<Selector>& endpoints,
                                                   const std::vector<GrantOverride>& overrides);

}  // namespace keyward::identity
