#pragma once
// A proxy, an upstream and a client in one process, inside a network namespace of their own.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/unique_fd.hpp"
#include "netproxy/io/proxy.hpp"
#include "netproxy/tls/authority.hpp"
#include "netproxy/tls/upstream.hpp"
#include "tests/netproxy/peer.hpp"

namespace keyward::netproxy {

// False, with a printed reason, where that is not permitted.
bool enter_network_namespace();

constexpr const char* origin_address = "10.99.8.2";
constexpr const char* public_address = "93.184.216.34";  // as far as this namespace knows

// A listening socket on an address of the namespace, port 0 for any.
UniqueFd listen_on(const char* address, std::uint16_t port);
std::uint16_t port_of(const UniqueFd& socket);

// A blocking HTTP/1.1 server behind TLS: what a path names is how it behaves.
class Origin443 {
 public:
  explicit Origin443(CertificateAuthority& trusted, CertificateAuthority& foreign);
  ~Origin443();
  Origin443(const Origin443&) = delete;
  Origin443& operator=(const Origin443&) = delete;
  int connections() const { return connections_; }
  int requests() const { return requests_; }
  int whole_bodies() const { return whole_bodies_; }
  std::string last_head();

 private:
  void accept_all();
  void serve(UniqueFd socket);
  bool serve_one(Peer& client);

  CertificateAuthority& trusted_;
  CertificateAuthority& foreign_;
  UniqueFd listener_;
  std::atomic<int> connections_{0}, requests_{0}, whole_bodies_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::string last_head_;
  std::vector<std::jthread> sessions_;
  std::jthread acceptor_;
};

// A client of the proxy, or of an upstream inside a tunnel.
class Client : public Peer {
 public:
  using Peer::Peer;
  int open_tunnel(const std::string& authority);  // the status of the answer
  // Sends, and reads one whole answer or what there is until the end.
  std::string ask(std::string_view request);
  std::string read_answer(std::string_view method);
};

// Grants as a test wants them.  Without any, nothing is injected.
class FakeTokens final : public TokenSource {
 public:
  std::optional<Result<InjectionPtr>> injection_for(const InjectionPlace& place,
                                                    const Done& done) override;
  bool binds(std::string_view host, std::uint16_t port) const override;
  bool rejected(const InjectionPlace& place, const InjectionPtr& injection, Rejected what) override;

  void bind(const std::string& host, std::vector<std::pair<std::string, std::string>> headers);
  // Keys to sign with, besides.
  void bind_keys(const std::string& host, const std::string& key_id, TimePoint expires);
  // What takes their place once they have been refused.
  void renew_keys(const std::string& key_id, TimePoint expires);
  void fail_with(std::optional<Error> error);
  // Nothing is bound any more from this question on, the first is 1.
  void withdraw_at(int question) { withdrawn_at_ = question; }
  // The next answer comes from another thread.
  void answer_later() { later_ = true; }
  int asked() const { return asked_; }
  int looked() const { return looked_; }  // how often whether something is bound
  InjectionPlace last_place();
  int rejections() const { return rejections_; }

 private:
  Result<InjectionPtr> answer_for(const InjectionPlace& place);

  mutable std::mutex mutex_;
  std::string host_;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::optional<GrantedSigner> signer_, renewed_;
  InjectionPlace place_;
  std::optional<Error> error_;
  std::atomic<bool> later_{false};
  std::atomic<int> asked_{0}, rejections_{0}, withdrawn_at_{0};
  mutable std::atomic<int> looked_{0};
  std::jthread helper_;
};

struct ProxyFixture {
  // What differs from the fixture's own settings: limits, names.  `source`: in place of `tokens`.
  explicit ProxyFixture(ProxySettings settings, TokenSource* source = nullptr);
  ProxyFixture() : ProxyFixture(ProxySettings{}) {}
  Client tunnel(const std::string& host, std::uint16_t to_port = 443);
  bool try_tunnel(const std::string& host, const std::string& server_name);
  int connect_status(const std::string& authority);
  Client dial_proxy() const;
  bool accepts() const;  // whether the proxy takes connections
  std::string signed_put(std::size_t size, const std::string& hash) const;

  SystemClock clock;
  std::unique_ptr<CertificateAuthority> child_authority, trusted, foreign;
  std::unique_ptr<UpstreamTls> child_trust;
  Origin443 origin;
  Placeholder placeholder = make_placeholder();
  Snapshot<Policy> policy;
  Snapshot<Credentials> credentials;
  FakeTokens tokens;
  std::unique_ptr<AuditSink> audit;
  std::unique_ptr<ClientIdentity> identity;
  std::uint16_t port = 0;
  std::unique_ptr<Proxy> proxy;
};

}  // namespace keyward::netproxy
