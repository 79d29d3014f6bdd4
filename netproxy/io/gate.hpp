#pragma once
// Who decides about requests that do not ask a policy: a reverse proxy's own rules.

#include <cstdint>
#include <string_view>

#include "netproxy/io/exchange.hpp"
#include "netproxy/io/refusal.hpp"
#include "netproxy/sigv4/signing_keys.hpp"

namespace keyward::netproxy {

// Called on proxy threads, so it must not block.
class RequestGate {
 public:
  virtual ~RequestGate() = default;

  // May the request leave, and where to?  Fills route and authority, takes hop-by-hop headers out,
  // and says in `exchange.collect` whether the body must be known before the request is signed.
  // Or answers by itself: `exchange.local`.
  virtual Answer<> admit(Exchange& exchange) = 0;

  // The last step before the head is sent.  `body`: the whole content, when it was collected.
  // `keys` are the calling thread's.
  virtual Answer<> finish(Exchange& exchange, std::string_view body, SigningKeys& keys) = 0;

  // What a refusal says, made true for this kind of proxy.
  virtual void explain(Problem& problem) = 0;
  // After the answer; `problem` is null when the upstream's was passed on.
  virtual void ended(const Exchange& exchange, const Problem* problem) = 0;
};

}  // namespace keyward::netproxy
