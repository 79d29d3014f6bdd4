#include "sigv4proxy/certificate.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

namespace keyward::sigv4proxy {

Result<Certificate::Files> Certificate::read() const {
  Files files;
  TRY_ASSIGN(files.chain, read_file(cert_file_));
  TRY_ASSIGN(files.key, read_secret_file(key_file_));
  return files;
}

Result<> Certificate::load() {
  Result<Files> files = read();
  if (!files) return fail_at("--cert and --key", std::move(files).error());
  auto tls = netproxy::ListenerTls::create(files->chain, files->key);
  if (!tls) return fail_at("--cert and --key", std::move(tls).error());
  tls_ = std::move(*tls);
  seen_ = hex(sha256(files->chain)) + files->key.fingerprint();
  return {};
}

Result<bool> Certificate::replace() {
  TRY_ASSIGN(const Files files, read());
  std::string found = hex(sha256(files.chain)) + files.key.fingerprint();
  if (found == seen_) return false;
  TRY(tls_->replace(files.chain, files.key));
  seen_ = std::move(found);
  return true;
}

void Certificate::reload() {
  if (!tls_) return;
  const Result<bool> changed = replace();
  if (!changed && failure_ != changed.error().what)
    log::error("certificate_not_reloaded",
               {{"detail", changed.error().what}, {"served", "the one before"}});
  if (changed && *changed) log::info("certificate_reloaded", {{"file", cert_file_}});
  failure_ = changed ? std::string() : changed.error().what;
}

}  // namespace keyward::sigv4proxy
