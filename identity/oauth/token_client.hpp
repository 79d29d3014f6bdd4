#pragma once
// Asks token endpoints, which may be anybody's.

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "identity/grant/answer.hpp"
#include "identity/grant/metadata.hpp"
#include "identity/grant/transport.hpp"
#include "identity/http/client.hpp"

namespace keyward::identity {

class TokenEndpoint {
 public:
  virtual ~TokenEndpoint() = default;
  // Blocks up to its own deadline; any thread.  Errors never hold what was sent.  `certificate`:
  // presented to the server; null: none is.
  virtual tl::expected<GrantedToken, GrantFailure> ask(const Grant& grant, const Secret& form,
                                                       const ClientCertificate* certificate) = 0;
};

struct TokenClientSettings {
  TransportRules rules;
  std::string ca_pem;  // the only trust; empty: the system's authorities
  std::map<std::string, std::vector<Digest>> spki_pins;  // of HOST:PORT (identity/http/client.hpp)
  std::chrono::milliseconds connect_deadline{3'000}, deadline{10'000};
  ResolveName resolve;  // as in HttpSettings
};

class TokenClient final : public TokenEndpoint {
 public:
  // The clocks outlive it.
  TokenClient(TokenClientSettings settings, const Clock& wall, const MonotonicClock& clock);

  // One POST over one connection.  Where the grant names an issuer, its metadata is read first, and
  // again after an hour.
  tl::expected<GrantedToken, GrantFailure> ask(const Grant& grant, const Secret& form,
                                               const ClientCertificate* certificate) override;
  // For the end: what is under way fails at once, and so does what comes later.
  void cancel() { stop_.request_stop(); }

 private:
  Result<std::string> endpoint_of(const Grant& grant);
  Result<ServerMetadata> metadata_of(const std::string& issuer);
  Result<ServerMetadata> discover(const std::string& issuer) const;
  Result<HttpResponse> send(const std::string& url, const Secret& form,
                            const ClientCertificate* certificate) const;

  const TokenClientSettings settings_;
  const Clock& wall_;
  const MonotonicClock& clock_;
  struct Discovered {
    ServerMetadata metadata;
    BootTime until;
  };
  std::stop_source stop_;
  std::mutex mutex_;  // guards what follows; not held while a server is asked
  std::map<std::string, Discovered> discovered_;
};

}  // namespace keyward::identity
