#pragma once
// Derived signing keys, kept because deriving one costs more than the rest of a signature.  Pure.

#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "base/hmac.hpp"
#include "base/p256.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "netproxy/sigv4/signature.hpp"

namespace keyward::netproxy {

// For one thread at a time.  Keeps one key per access key id, secret, date, region and service, and
// one SigV4a key pair per credential: at most `limit` of each, the one unused for longest makes
// room.  What it gives outlives it: an upload keeps its key past midnight and past an eviction.
class SigningKeys {
 public:
  // Of SigV4; the scope's algorithm does not count.
  std::shared_ptr<const HmacSha256> get(std::string_view access_key_id,
                                        const Secret& secret_access_key, const SigningScope& scope);
  // Of SigV4a.  Errors: Code::internal, see derive_sigv4a_key.
  Result<P256PrivateKey> key_pair(std::string_view access_key_id, const Secret& secret_access_key);

  static constexpr std::size_t limit = 64;

 private:
  struct Credential {
    std::string access_key_id;
    Secret secret_access_key;
    bool is(std::string_view id, const Secret& secret) const {
      return access_key_id == id && secret_access_key.equals(secret.reveal());
    }
  };
  struct Entry {
    Credential credential;
    SigningScope scope;
    std::shared_ptr<const HmacSha256> key;
  };
  struct PairEntry {
    Credential credential;
    P256PrivateKey key;
  };
  std::list<Entry> entries_;  // the latest used first
  std::list<PairEntry> pairs_;
};

}  // namespace keyward::netproxy
