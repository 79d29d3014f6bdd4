#pragma once
// Puts the credentials of token grants into a request.

#include "netproxy/io/exchange.hpp"
#include "netproxy/io/worker.hpp"

namespace keyward::netproxy {

// Waits for a token where none is at hand.  The client's own values of the injected headers are
// gone, in every spelling that a server might fold into the same name.  What an earlier call has
// put in is replaced, and must not be missing now.  Nothing may be forwarded after an error.
Task<Answer<>> inject(Worker& worker, Exchange& exchange);

// Whether what was put in is still granted, where it cannot be put in anew: for the same provider.
Task<Answer<>> confirm(Worker& worker, const Exchange& exchange);

// The upstream has refused what was injected.  True: send the request once more.
bool takes_rejection(Worker& worker, Exchange& exchange, Rejected what);

// Whether the request may be signed with keys of a grant.
bool may_get_keys(const Worker& worker, const Exchange& exchange);

// Wipes what inject() has put into the request.
void forget_injected(Exchange& exchange);

// A place whose requests need an injection cannot be reached through an unopened tunnel.
Answer<> check_unopened(const Worker& worker, const Destination& to);

}  // namespace keyward::netproxy
