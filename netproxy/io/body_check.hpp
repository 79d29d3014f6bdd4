#pragma once
// What a request's body must turn out to be, found while it passes.  Pure.

#include <memory>

#include "netproxy/http/body.hpp"
#include "netproxy/sigv4/s3_error.hpp"
#include "netproxy/sigv4/signer.hpp"

namespace keyward::netproxy {

class BodyCheck : public ContentWatcher {
 public:
  // While bytes pass: what finish() will say in any case, so that no more of a body leaves once it
  // is known to be wrong.
  virtual S3Result<> so_far() const { return {}; }
  // After the last byte.  Errors: what S3 would say, for services of other kinds the message alone.
  virtual S3Result<> finish() = 0;
};

// The check that a payload mode asks for, or null: hex_hash (SHA-256 of the content),
// unsigned_trailer (aws-chunked framing, decoded length and checksum).
std::unique_ptr<BodyCheck> make_body_check(const Payload& payload);

}  // namespace keyward::netproxy
