#pragma once
// The keys of dynamic_credentials: HOST TAB PORT TAB PATH TAB PROVIDER:CREDENTIAL.  Pure.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "identity/grant/selector.hpp"

namespace keyward::identity {

struct WireKey {
  Selector where;        // never without a port
  std::string provider;  // record name
  std::string credential;
  std::string identity() const { return provider + ":" + credential; }
};

// Exactly four parts, each in the one form that write_wire_key gives it.  Nothing is guessed: a key
// with a part too many could bind a credential to another host.  Errors (Code::invalid) never quote
// the key.
Result<WireKey> parse_wire_key(std::string_view text);
std::string write_wire_key(const WireKey& key);

}  // namespace keyward::identity
