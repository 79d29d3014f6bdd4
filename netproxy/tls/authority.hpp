#pragma once
// The ephemeral CA of one sandbox: a P-256 key that exists in this process's memory only, and the
// leaf certificates minted with it, cached per host.

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "netproxy/tls/openssl.hpp"

namespace keyward::netproxy {

class CertificateAuthority {
 public:
  static Result<std::unique_ptr<CertificateAuthority>> create(const Clock& clock);
  virtual ~CertificateAuthority() = default;
  virtual const std::string& certificate_pem() const = 0;  // what the child is given to trust

  // A server side of TLS 1.2 or 1.3 that shows a certificate for `host` (canonical name or IP
  // literal), refuses any other server name, offers http/1.1 and resumes sessions of that host
  // only.  Call it for hosts that the policy allows: minting costs half a millisecond.  Any thread;
  // callers wait for one another only when they ask for the same new host.
  virtual Result<SslPtr> new_session(const std::string& host) = 0;
};

}  // namespace keyward::netproxy
