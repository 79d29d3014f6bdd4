#include "netproxy/tls/authority.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <unordered_map>

#include "base/bytes.hpp"
#include "netproxy/guard/address.hpp"
#include "netproxy/tls/mint.hpp"
#include "netproxy/tls/ticket_keys.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::size_t leaf_cache_size = 2048;

// One host's certificate.  Its mutex is held while minting: a second caller for the same host waits
// for the first one's result, callers for other hosts do not.
struct LeafSlot {
  std::mutex mutex;
  X509Ptr leaf;
  TimePoint expires;
};

// Which host the connection is for; hangs on its SSL object.
int host_index() {
  static const int index = SSL_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* host, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<std::string*>(host);
      });
  return index;
}

// The name that the client asks for must be the one that the policy has allowed (RFC 6066).
int check_server_name(SSL* ssl, int* alert, void*) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  const auto* host = static_cast<const std::string*>(SSL_get_ex_data(ssl, host_index()));
  if (name == nullptr || (host != nullptr && equals_ignoring_case(name, *host)))
    return SSL_TLSEXT_ERR_OK;
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

class Authority final : public CertificateAuthority {
 public:
  explicit Authority(const Clock& clock) : clock_(clock), tickets_(clock.now()) {}
  Result<> prepare();
  const std::string& certificate_pem() const override { return pem_; }
  Result<SslPtr> new_session(const std::string& host) override;

 private:
  using Entry = std::pair<std::string, std::shared_ptr<LeafSlot>>;
  std::shared_ptr<LeafSlot> slot_for(const std::string& host);
  static int seal_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                         EVP_MAC_CTX* mac, int encrypt);

  const Clock& clock_;
  TicketKeys tickets_;
  Issuer issuer_;
  std::string pem_;
  KeyPtr leaf_key_;  // one for all leaves: a new key per host would double the cost of minting
  SslContextPtr context_;
  std::mutex mutex_;  // for the two below, never held while minting
  std::list<Entry> recent_;
  std::unordered_map<std::string, std::list<Entry>::iterator> slots_;
};

Result<> Authority::prepare() {
  TRY_ASSIGN(issuer_, make_issuer(clock_.now()));
  TRY_ASSIGN(pem_, to_pem(issuer_.certificate.get()));
  TRY_ASSIGN(leaf_key_, make_p256_key());
  context_.reset(SSL_CTX_new(TLS_server_method()));
  if (!context_) return fail(Code::internal, "tls: " + take_openssl_error());
  SSL_CTX* context = context_.get();
  set_server_options(context);
  SSL_CTX_set_tlsext_servername_callback(context, check_server_name);
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, seal_ticket);
  return {};
}

// NOLINTNEXTLINE(readability-function-size): the parameters are OpenSSL's
int Authority::seal_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                           EVP_MAC_CTX* mac, int encrypt) {
  auto* self = static_cast<Authority*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const TimePoint now = self->clock_.now();
  TicketKeys::Found found;
  if (encrypt == 1) {
    found.key = self->tickets_.current(now);
    std::copy(found.key.name.begin(), found.key.name.end(), name);
    const std::string fresh =
        random_bytes(static_cast<std::size_t>(EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())));
    std::copy(fresh.begin(), fresh.end(), iv);
  } else {
    auto known = self->tickets_.find(name, now);
    if (!known) return 0;  // full handshake
    found = *known;
  }
  char digest[] = "sha256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, found.key.hmac_key.data(),
                                        found.key.hmac_key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  const bool ready = EVP_MAC_CTX_set_params(mac, parameters) == 1 &&
                     EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr,
                                       found.key.cipher_key.data(), iv, encrypt) == 1;
  wipe(&found.key, sizeof found.key);
  if (!ready) return -1;
  // 2 brings a new ticket; TLS 1.3 clients use a ticket once (RFC 8446 appendix C.4).
  return found.renew || SSL_version(ssl) == TLS1_3_VERSION ? 2 : 1;
}

std::shared_ptr<LeafSlot> Authority::slot_for(const std::string& host) {
  const std::lock_guard lock(mutex_);
  const auto known = slots_.find(host);
  if (known != slots_.end()) {
    recent_.splice(recent_.begin(), recent_, known->second);
    return known->second->second;
  }
  if (recent_.size() == leaf_cache_size) {
    slots_.erase(recent_.back().first);
    recent_.pop_back();
  }
  recent_.emplace_front(host, std::make_shared<LeafSlot>());
  slots_[host] = recent_.begin();
  return recent_.front().second;
}

Result<SslPtr> Authority::new_session(const std::string& host) {
  const std::shared_ptr<LeafSlot> slot = slot_for(host);
  SslPtr ssl(SSL_new(context_.get()));
  if (!ssl) return fail(Code::internal, "tls: " + take_openssl_error());
  const TimePoint now = clock_.now();
  {
    const std::lock_guard lock(slot->mutex);
    if (!slot->leaf || now >= slot->expires) {
      TRY_ASSIGN(slot->leaf, mint_leaf(issuer_, leaf_key_.get(), host, now));
      slot->expires = now + leaf_life / 2;
    }
    if (SSL_use_certificate(ssl.get(), slot->leaf.get()) != 1 ||
        SSL_use_PrivateKey(ssl.get(), leaf_key_.get()) != 1)
      return fail(Code::internal, "tls: " + take_openssl_error());
  }
  const Digest id = sha256(host);
  SSL_set_session_id_context(ssl.get(), id.data(), id.size());
  SSL_set_ex_data(ssl.get(), host_index(), std::make_unique<std::string>(host).release());
  SSL_set_accept_state(ssl.get());
  return ssl;
}

}  // namespace

Result<std::unique_ptr<CertificateAuthority>> CertificateAuthority::create(const Clock& clock) {
  auto authority = std::make_unique<Authority>(clock);
  TRY(authority->prepare());
  return authority;
}

}  // namespace keyward::netproxy
