#pragma once
// The certificate that clients are shown, read again when its files change.

#include <memory>
#include <string>

#include "base/result.hpp"
#include "netproxy/tls/listener.hpp"

namespace keyward::sigv4proxy {

// One thread.
class Certificate {
 public:
  Certificate(std::string cert_file, std::string key_file)
      : cert_file_(std::move(cert_file)), key_file_(std::move(key_file)) {}

  Result<> load();
  // Looks at the files; what cannot be used changes nothing and is said once.
  void reload();
  netproxy::ListenerTls* tls() const { return tls_.get(); }

 private:
  struct Files {
    std::string chain;
    Secret key;
  };
  Result<Files> read() const;
  Result<bool> replace();  // whether they had changed

  std::string cert_file_, key_file_;
  std::string seen_;  // fingerprint of what is served
  std::string failure_;
  std::unique_ptr<netproxy::ListenerTls> tls_;
};

}  // namespace keyward::sigv4proxy
