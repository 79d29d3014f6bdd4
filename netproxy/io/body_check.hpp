#pragma once
// What a request's body must turn out to be, found while it passes.  Pure.

#include <memory>

#include "netproxy/http/body.hpp"
#include "netproxy/sigv4/signer.hpp"

namespace keyward::netproxy {

class BodyCheck : public ContentWatcher {
 public:
  // After the last byte.  Errors: Code::invalid, with a text for the client.
  virtual Result<> finish() = 0;
};

// The check that a payload mode asks for, or null: hex_hash (SHA-256 of the content),
// unsigned_trailer (aws-chunked framing, decoded length and checksum).
std::unique_ptr<BodyCheck> make_body_check(const Payload& payload);

}  // namespace keyward::netproxy
