#pragma once
// What grants give for one endpoint: headers that carry a bearer credential, or keys to sign with.
// The proxy puts them to use; who obtains them (token grants, JWT-SVIDs, STS) is behind this
// interface.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "netproxy/sigv4/signer.hpp"

namespace keyward::netproxy {

struct InjectedHeader {
  std::string name;  // a field name (RFC 9110 section 5.1) that the policy of grants permits
  Secret value;      // the whole field value: "Bearer …"
};

struct GrantedSigner {
  std::shared_ptr<const AwsCredentials> keys;
  TimePoint expires;  // nothing is signed with them from then on
};

// All of one request; nothing where no credential is bound to its place.
struct Injection {
  std::vector<InjectedHeader> headers;
  std::optional<GrantedSigner> signer{};
  std::string provider;  // whose credentials they are, for the audit record
};
using InjectionPtr = std::shared_ptr<const Injection>;

// Where a request goes, as the policy has decided it.
struct InjectionPlace {
  std::string host;  // canonical
  std::uint16_t port = 0;
  std::string path;  // percent-decoded
  bool secure = false;
  // The other reading of the path, where there is one (netproxy/policy/readings.hpp).
  std::optional<std::string> lenient = std::nullopt;
  bool is_signed = false;   // the policy signs there
  std::string signer = {};  // ... with the keys of this provider; empty: of whoever is bound
  bool again = false;       // one request has asked before, and looks whether that still holds
};

enum class Rejected { tokens, keys };

// Any thread.  Outlives the proxy.
class TokenSource {
 public:
  using Done = std::function<void(Result<InjectionPtr>)>;
  virtual ~TokenSource() = default;

  // At once where everything is at hand; nullopt: `done` will be called once, on another thread,
  // within the deadline of a fetch.  Never blocks.  Errors: Code::unavailable and Code::timeout
  // may pass by themselves, others need an operator; the texts may be shown to the client.
  virtual std::optional<Result<InjectionPtr>> injection_for(const InjectionPlace& place,
                                                            const Done& done) = 0;
  // Whether some path there needs an injection: else it is not asked for one, and may be reached
  // unopened.
  virtual bool binds(std::string_view host, std::uint16_t port) const = 0;
  // The upstream has refused it: its tokens by a 401, or the session of its keys.  True: something
  // of it will be fetched anew, and the request is worth one repetition.
  virtual bool rejected(const InjectionPlace& place, const InjectionPtr& injection,
                        Rejected what) = 0;
};

}  // namespace keyward::netproxy
