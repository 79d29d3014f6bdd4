#pragma once
// The ephemeral CA of one sandbox: a P-256 key that exists in this process's memory only, and the
// leaf certificates minted with it, cached per host.

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace keyward::netproxy {

class CertificateAuthority {
 public:
  static Result<std::unique_ptr<CertificateAuthority>> create(const Clock& clock);
  virtual ~CertificateAuthority() = default;
  virtual const std::string& certificate_pem() const = 0;  // what the child is given to trust
};

}  // namespace keyward::netproxy
