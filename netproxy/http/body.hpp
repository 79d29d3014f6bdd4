#pragma once
// Where a message's body ends, for every framing.  Pure.

#include <cstdint>
#include <string_view>

#include "base/result.hpp"
#include "netproxy/http/chunked.hpp"
#include "netproxy/http/head.hpp"

namespace keyward::netproxy {

// Sees the content of a body, without its framing, as it passes.
class ContentWatcher {
 public:
  virtual ~ContentWatcher() = default;
  virtual void content(std::string_view bytes) = 0;
};

class BodyFraming {
 public:
  BodyFraming(Framing framing, std::uint64_t length) : framing_(framing), remaining_(length) {}

  // How many of the bytes belong to the body.  `watcher` may be null.  Errors: Code::invalid
  // (broken chunk framing).
  Result<std::size_t> take(std::string_view available, ContentWatcher* watcher = nullptr);
  // Everything has passed.  Never true for Framing::until_close: only the connection's end tells.
  bool done() const;
  Framing framing() const { return framing_; }
  void forbid_trailers() { chunks_.forbid_trailers(); }
  std::uint64_t remaining() const { return remaining_; }  // Framing::length only

 private:
  Framing framing_;
  std::uint64_t remaining_;
  ChunkedReader chunks_;
};

}  // namespace keyward::netproxy
