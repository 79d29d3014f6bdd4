#pragma once
// One request and everything that is decided about it.  Pure but for the clock that is passed in.

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "netproxy/audit/sink.hpp"
#include "netproxy/credentials.hpp"
#include "netproxy/http/head.hpp"
#include "netproxy/injection.hpp"
#include "netproxy/io/dial.hpp"
#include "netproxy/io/refusal.hpp"
#include "netproxy/sigv4/chunk_resigner.hpp"
#include "netproxy/sigv4/signer.hpp"
#include "netproxy/sigv4/signing_keys.hpp"

namespace keyward::netproxy {

// What the connection says about its requests.
struct Origin {
  std::optional<Destination> tunnel;  // of the CONNECT that was answered with 200
  bool secure = false;                // TLS was terminated
  std::vector<std::string> executables;
};

// What is answered without an upstream.
struct LocalAnswer {
  int status = 200;
  std::string content_type, body;
};

// What one exchange holds of the memory that all share for bodies that must be known first.
class HeldBytes {
 public:
  HeldBytes(std::atomic<std::size_t>& all, std::size_t limit) : all_(all), limit_(limit) {}
  HeldBytes(const HeldBytes&) = delete;
  HeldBytes& operator=(const HeldBytes&) = delete;
  ~HeldBytes() { all_ -= own_; }
  bool grow(std::size_t bytes) {  // false: there is no room
    own_ += bytes;
    return (all_ += bytes) <= limit_;
  }

 private:
  std::atomic<std::size_t>& all_;
  std::size_t limit_;
  std::size_t own_ = 0;
};

struct Exchange {
  RequestHead request;  // as received; after decide() and sign() as it is sent
  std::shared_ptr<const Policy> policy;
  std::shared_ptr<const Credentials> credentials;
  Verdict verdict;
  Route route;
  std::string authority;  // the Host that is sent
  std::string query;      // with its '?', may be empty
  std::string asked_method, asked_path;
  std::optional<Payload> payload;  // of a signed request
  // Of PayloadMode::signed_chunks: the head as the client signed it, and who signs the chunks.
  std::optional<RequestHead> client_head;
  std::optional<ChunkResigner::Sides> chunks;
  std::string credential;  // provider name
  // As it was before inject() and sign(), where its body is waited for before it leaves, or its
  // keys may be refused.
  std::optional<RequestHead> bare_request;
  InjectionPtr injection;  // what inject() has put into the request, if anything
  bool repeats = false;    // the request is to be sent once more, with another token or key
  bool repeated = false;   // ... which happens once
  AuditEvent event;
  // Set by a gate (gate.hpp).
  SigningTarget target;
  std::size_t collect = 0;  // the body is read before the request is signed, up to here
  std::unique_ptr<HeldBytes> held;
  std::optional<std::string> body;   // collected content that is not in the client's inbox any more
  std::optional<LocalAnswer> local;  // instead of forwarding
  std::size_t keep_error_bytes = 0;  // of the body of an answer with status 400 and above
  std::string error_body;
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
  int answered = 0;  // status that the client has been sent, 0 while none
};

// Who is asked for what, and may that be?  Fills route, authority, verdict and the request's
// target; strips hop-by-hop headers.
Answer<> decide(Exchange& exchange, const Origin& origin);

// Finds the credentials that the endpoint calls for and signs.  A request whose endpoint does not
// sign passes unchanged.  Nothing may be forwarded after an error.
Answer<> sign(Exchange& exchange, const Placeholder& placeholder, SigningKeys& keys, TimePoint now);

std::string_view to_string(PayloadMode mode);

}  // namespace keyward::netproxy
