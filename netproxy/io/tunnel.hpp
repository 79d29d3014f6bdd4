#pragma once
// Bytes between two connections, unopened.

#include <cstdint>

#include "netproxy/io/stream.hpp"

namespace keyward::netproxy {

struct TunnelBytes {
  std::uint64_t up = 0, down = 0;
};

// Until both directions have ended, one breaks, or nothing has moved for `idle`.  The end of one
// direction is passed on as a half-close.
Task<TunnelBytes> relay_tunnel(Stream& client, Stream& upstream, std::chrono::seconds idle);

}  // namespace keyward::netproxy
