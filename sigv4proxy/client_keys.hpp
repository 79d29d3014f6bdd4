#pragma once
// The keys that clients sign with, where the proxy verifies them (--verify-chunks): secrets,
// derived keys of single days, or public keys of SigV4a.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/snapshot.hpp"
#include "netproxy/sigv4/verifier.hpp"

namespace keyward::sigv4proxy {

// Of one date, region and service.
struct DayKey {
  netproxy::SigningScope scope;
  Secret bytes;
};

struct ClientKey {
  Secret secret_access_key;  // or one or both of what follows
  Secret session_token;      // that the client must send; empty: none
  std::vector<DayKey> derived;
  std::optional<P256PublicKey> public_key;
};
using ClientKeyTable = std::map<std::string, ClientKey, std::less<>>;  // by access key id

// The format stands in docs/SIGV4_PROXY.md.  Errors: "PATH:LINE: …", never quoting a value.
Result<ClientKeyTable> read_client_keys(std::string_view text, const std::string& path);

// Any thread.
class ClientKeys final : public netproxy::VerificationKeys {
 public:
  explicit ClientKeys(std::string path) : path_(std::move(path)) {}
  // Reads the file, which only its owner may read; on an error the keys stay.  One thread.
  Result<> load();
  netproxy::S3Result<netproxy::VerificationKey> find(
      const netproxy::SignatureClaim& claim) override;

 private:
  std::string path_;
  Snapshot<ClientKeyTable> keys_;
};

}  // namespace keyward::sigv4proxy
