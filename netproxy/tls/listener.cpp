#include "netproxy/tls/listener.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/crypto.hpp"
#include "base/snapshot.hpp"

namespace keyward::netproxy {
namespace {

using SharedContext = std::shared_ptr<const SslContextPtr>;

BioPtr read_only(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Result<> use_chain(SSL_CTX* context, const std::string& chain_pem) {
  const BioPtr text = read_only(chain_pem);
  const X509Ptr leaf(PEM_read_bio_X509_AUX(text.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1)
    return fail(Code::invalid, "the certificate cannot be used: " + take_openssl_error());
  const auto next = [&text] {
    return X509Ptr(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
  };
  for (X509Ptr issuer = next(); issuer; issuer = next())
    if (SSL_CTX_add1_chain_cert(context, issuer.get()) != 1)
      return fail(Code::invalid, "the certificate's chain cannot be used");
  ERR_clear_error();
  return {};
}

// A key that wants a password is not served: nobody is there to be asked.
int no_password(char*, int, int, void*) { return -1; }

Result<> use_key(SSL_CTX* context, const Secret& key_pem) {
  const BioPtr text = read_only(key_pem.reveal());
  const KeyPtr key(PEM_read_bio_PrivateKey(text.get(), nullptr, no_password, nullptr));
  if (!key) return fail(Code::invalid, "the key cannot be used: " + take_openssl_error());
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return fail(Code::invalid, "the key is not the certificate's: " + take_openssl_error());
  return {};
}

Result<SharedContext> make_context(const std::string& chain_pem, const Secret& key_pem) {
  SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (!context) return fail(Code::internal, "tls: " + take_openssl_error());
  set_server_options(context.get());
  TRY(use_chain(context.get(), chain_pem));
  TRY(use_key(context.get(), key_pem));
  return std::make_shared<const SslContextPtr>(std::move(context));
}

class Listener final : public ListenerTls {
 public:
  Result<> replace(const std::string& chain_pem, const Secret& key_pem) override {
    TRY_ASSIGN(SharedContext next, make_context(chain_pem, key_pem));
    context_.set(std::move(next));
    return {};
  }
  Result<SslPtr> accept() override {
    const SharedContext context = context_.get();
    SslPtr ssl(SSL_new(context->get()));
    if (!ssl) return fail(Code::internal, "tls: " + take_openssl_error());
    SSL_set_accept_state(ssl.get());
    return ssl;
  }

 private:
  Snapshot<SslContextPtr> context_;
};

}  // namespace

Result<std::unique_ptr<ListenerTls>> ListenerTls::create(const std::string& chain_pem,
                                                         const Secret& key_pem) {
  auto listener = std::make_unique<Listener>();
  TRY(listener->replace(chain_pem, key_pem));
  return listener;
}

}  // namespace keyward::netproxy
