#pragma once
// Derived signing keys, kept because deriving one costs more than the rest of a signature.  Pure.

#include <string>
#include <vector>

#include "base/secret.hpp"
#include "netproxy/sigv4/signature.hpp"
#include "netproxy/sigv4/signer.hpp"

namespace keyward::netproxy {

// For one thread.  Holds one key per access key id, region and service; another secret or day
// replaces it.  At most `limit` keys, the oldest makes room.
class SigningKeys {
 public:
  // Valid until the next call.
  const Secret& get(const AwsCredentials& credentials, const SigningScope& scope);

  static constexpr std::size_t limit = 64;

 private:
  struct Entry {
    std::string access_key_id;
    Secret secret_access_key;
    SigningScope scope;
    Secret key;
  };
  std::vector<Entry> entries_;
  std::size_t oldest_ = 0;
};

}  // namespace keyward::netproxy
