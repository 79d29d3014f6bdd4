#pragma once
// What a proxy without a sandbox has instead of a policy, keys of one and a CA for its child:
// nothing, so that whatever asks for them is refused.

#include "netproxy/io/proxy.hpp"
#include "netproxy/tls/authority.hpp"

namespace keyward::netproxy {

class NullSandbox {
 public:
  // For a proxy whose gate decides.  The object, the clock and the gate outlive it.
  ProxyDeps deps(const Clock& clock, RequestGate& gate) {
    return {policy_,  credentials_, placeholder_, authority_, audit_,
            clients_, clock,        nullptr,      &gate,      nullptr};
  }

 private:
  class NoAuthority final : public CertificateAuthority {
   public:
    const std::string& certificate_pem() const override { return nothing_; }
    Result<SslPtr> new_session(const std::string&) override {
      return fail(Code::unsupported, "there is no certificate authority here");
    }

   private:
    std::string nothing_;
  };
  class NoAudit final : public AuditSink {
   public:
    void record(const AuditEvent&) override {}
    void record(const GrantEvent&) override {}
  };
  class NoClients final : public ClientIdentity {
   public:
    Result<std::vector<std::string>> executables(std::uint16_t, std::uint16_t) override {
      return fail(Code::unsupported, "there are no programs here");
    }
  };

  Snapshot<Policy> policy_;
  Snapshot<Credentials> credentials_;
  Placeholder placeholder_;
  NoAuthority authority_;
  NoAudit audit_;
  NoClients clients_;
};

}  // namespace keyward::netproxy
