#include "netproxy/tls/upstream.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <mutex>
#include <unordered_map>

#include "netproxy/guard/address.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::size_t max_sessions = 1024;

class Upstreams final : public UpstreamTls {
 public:
  Upstreams(std::string trust_store_pem, bool verify)
      : store_pem_(std::move(trust_store_pem)), verify_(verify) {}
  Result<> check_store() const;
  Result<SslPtr> new_session(const std::string& host, const std::string& resume_key) override;

 private:
  Result<> prepare();
  void read_store();
  static int keep_session(SSL* ssl, SSL_SESSION* session);
  SslSessionPtr take_session(const std::string& resume_key);

  // OpenSSL's context and a store of 140 certificates take more time and memory than everything
  // else of a start: they are made before the first connection, from what was read at the start.
  std::once_flag prepared_;
  Result<> ready_;
  std::string store_pem_;  // until then
  const bool verify_;
  SslContextPtr context_;
  std::mutex mutex_;  // held for a map operation
  std::unordered_map<std::string, SslSessionPtr> sessions_;
};

BioPtr text_of(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

X509Ptr next_certificate(const BioPtr& text) {
  X509Ptr certificate(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

int key_index() {
  static const int index = SSL_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* key, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<std::string*>(key);
      });
  return index;
}

Result<> Upstreams::check_store() const {
  if (store_pem_.empty() || next_certificate(text_of(store_pem_))) return {};
  return fail(Code::invalid, "tls: the trust store holds no certificate");
}

void Upstreams::read_store() {
  const BioPtr text = text_of(store_pem_);
  X509_STORE* store = SSL_CTX_get_cert_store(context_.get());
  while (const X509Ptr certificate = next_certificate(text))
    X509_STORE_add_cert(store, certificate.get());
  store_pem_ = std::string();
}

Result<> Upstreams::prepare() {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (!context_) return fail(Code::internal, "tls: " + take_openssl_error());
  read_store();
  SSL_CTX* context = context_.get();
  set_common_options(context);
  SSL_CTX_set_verify(context, verify_ ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_session);
  SSL_CTX_set_app_data(context, this);
  static constexpr unsigned char http11[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context, http11, sizeof http11 - 1);
  return {};
}

int Upstreams::keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* self = static_cast<Upstreams*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const auto* key = static_cast<const std::string*>(SSL_get_ex_data(ssl, key_index()));
  if (key == nullptr) return 0;
  const std::lock_guard lock(self->mutex_);
  if (self->sessions_.size() >= max_sessions) self->sessions_.erase(self->sessions_.begin());
  self->sessions_[*key].reset(session);
  return 1;  // the reference is ours now
}

// A TLS 1.3 ticket is for one use (RFC 8446 appendix C.4); the next handshake brings another.
SslSessionPtr Upstreams::take_session(const std::string& resume_key) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(resume_key);
  if (found == sessions_.end()) return nullptr;
  SslSessionPtr session = std::move(found->second);
  sessions_.erase(found);
  return session;
}

Result<SslPtr> Upstreams::new_session(const std::string& host, const std::string& resume_key) {
  std::call_once(prepared_, [this] { ready_ = prepare(); });
  if (!ready_) return tl::unexpected(ready_.error());
  SslPtr ssl(SSL_new(context_.get()));
  if (!ssl) return fail(Code::internal, "tls: " + take_openssl_error());
  X509_VERIFY_PARAM* verify = SSL_get0_param(ssl.get());
  X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const bool literal = parse_address(host).has_value();
  const bool named = literal
                         ? X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) == 1
                         : X509_VERIFY_PARAM_set1_host(verify, host.c_str(), host.size()) == 1 &&
                               SSL_set_tlsext_host_name(ssl.get(), host.c_str()) == 1;
  if (!named) return fail(Code::internal, "tls: " + take_openssl_error());
  SSL_set_ex_data(ssl.get(), key_index(), std::make_unique<std::string>(resume_key).release());
  const SslSessionPtr session = take_session(resume_key);
  if (session) SSL_set_session(ssl.get(), session.get());
  SSL_set_connect_state(ssl.get());
  return ssl;
}

}  // namespace

Result<std::unique_ptr<UpstreamTls>> UpstreamTls::create(std::string trust_store_pem, bool verify) {
  auto upstreams = std::make_unique<Upstreams>(std::move(trust_store_pem), verify);
  TRY(upstreams->check_store());
  return upstreams;
}

std::string certificate_error(ssl_st* ssl) {
  const long result = SSL_get_verify_result(ssl);
  return result == X509_V_OK ? "" : X509_verify_cert_error_string(result);
}

}  // namespace keyward::netproxy
