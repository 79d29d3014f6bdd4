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
  Result<> prepare(const std::string& trust_store_pem, bool verify);
  Result<SslPtr> new_session(const std::string& host, const std::string& resume_key) override;

 private:
  Result<> open_store(const std::string& trust_store_pem);
  bool add_next_certificate();
  void read_whole_store();
  static int keep_session(SSL* ssl, SSL_SESSION* session);
  SslSessionPtr take_session(const std::string& resume_key);

  SslContextPtr context_;
  // A store of 140 certificates takes OpenSSL longer than everything else of a start: the first one
  // is read then, to know that it is a store, and the others before the first connection.
  std::string store_pem_;
  BioPtr store_text_;
  std::once_flag store_read_;
  std::mutex mutex_;  // held for a map operation
  std::unordered_map<std::string, SslSessionPtr> sessions_;
};

int key_index() {
  static const int index = SSL_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* key, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<std::string*>(key);
      });
  return index;
}

bool Upstreams::add_next_certificate() {
  const X509Ptr certificate(PEM_read_bio_X509(store_text_.get(), nullptr, nullptr, nullptr));
  if (certificate) X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), certificate.get());
  ERR_clear_error();
  return certificate != nullptr;
}

Result<> Upstreams::open_store(const std::string& trust_store_pem) {
  store_pem_ = trust_store_pem;
  store_text_.reset(BIO_new_mem_buf(store_pem_.data(), static_cast<int>(store_pem_.size())));
  if (!store_text_) return fail(Code::internal, "tls: " + take_openssl_error());
  if (!add_next_certificate() && !store_pem_.empty())
    return fail(Code::invalid, "tls: the trust store holds no certificate");
  return {};
}

void Upstreams::read_whole_store() {
  std::call_once(store_read_, [this] {
    while (add_next_certificate()) {
    }
    store_text_.reset();
  });
}

Result<> Upstreams::prepare(const std::string& trust_store_pem, bool verify) {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (!context_) return fail(Code::internal, "tls: " + take_openssl_error());
  TRY(open_store(trust_store_pem));
  SSL_CTX* context = context_.get();
  set_common_options(context);
  SSL_CTX_set_verify(context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
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
  read_whole_store();
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

Result<std::unique_ptr<UpstreamTls>> UpstreamTls::create(const std::string& trust_store_pem,
                                                         bool verify) {
  auto upstreams = std::make_unique<Upstreams>();
  TRY(upstreams->prepare(trust_store_pem, verify));
  return upstreams;
}

std::string certificate_error(ssl_st* ssl) {
  const long result = SSL_get_verify_result(ssl);
  return result == X509_V_OK ? "" : X509_verify_cert_error_string(result);
}

}  // namespace keyward::netproxy
