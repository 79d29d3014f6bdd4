#include "tests/netproxy/proxy_fixture.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <net/if.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "netproxy/http/body.hpp"
#include "netproxy/http/fields.hpp"
#include "netproxy/http/head_parser.hpp"
#include "netproxy/policy/yaml.hpp"

namespace keyward::netproxy {
namespace {

constexpr const char* policy_text = R"(
version: 1
network_policies:
  test:
    endpoints:
      - {host: up.test, port: 443, protocol: rest, access: full, allowed_ips: ["10.99.0.0/16"]}
      - {host: up.test, port: 8443, protocol: rest, access: full, allowed_ips: ["10.99.0.0/16"]}
      - {host: up.test, port: 9443, protocol: rest, access: full, allowed_ips: ["10.99.0.0/16"],
         credential_signing: sigv4, signing_service: s3, signing_region: eu-central-1}
      - {host: plain.test, port: 9080, protocol: rest, access: full, allowed_ips: ["10.99.0.0/16"]}
      - {host: outside.test, port: 9080, protocol: rest, access: full}
      - {host: raw.test, port: 9000, allowed_ips: ["10.99.0.0/16"]}
      - {host: "*.dns.test", port: 9000, allowed_ips: ["10.99.0.0/16"]}
      - {host: ro.test, port: 443, protocol: rest, access: read-only, allowed_ips: ["10.99.0.0/16"]}
      - {host: wrong.test, port: 443, protocol: rest, access: full, allowed_ips: ["10.99.0.0/16"]}
      - {host: loop.test, port: 443, protocol: rest, access: full, allowed_ips: ["10.99.0.0/16"]}
      - {host: s3.test, port: 443, protocol: rest, access: full, allowed_ips: ["10.99.0.0/16"],
         credential_signing: sigv4, signing_service: s3, signing_region: eu-central-1}
      - {host: v4a.test, port: 443, protocol: rest, access: full, allowed_ips: ["10.99.0.0/16"],
         credential_signing: "sigv4a", signing_service: s3, signing_region: eu-central-1}
      - {host: body.test, port: 443, protocol: rest, access: full, allowed_ips: ["10.99.0.0/16"],
         credential_signing: "sigv4:body", signing_service: s3, signing_region: eu-central-1}
      - {host: nobody.test, port: 443, protocol: rest, access: full, allowed_ips: ["10.99.0.0/16"],
         credential_signing: "sigv4:no_body", signing_service: s3, signing_region: eu-central-1}
)";

class Quiet final : public AuditSink {
 public:
  void record(const AuditEvent&) override {}
  void record(const GrantEvent&) override {}
};

class Nobody final : public ClientIdentity {
 public:
  Result<std::vector<std::string>> executables(std::uint16_t, std::uint16_t) override {
    return std::vector<std::string>{};
  }
};

bool set_up_loopback() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto configure = [&socket](const char* name, const char* address) {
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    auto* in = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
    in->sin_family = AF_INET;
    ::inet_pton(AF_INET, address, &in->sin_addr);
    if (::ioctl(socket.get(), SIOCSIFADDR, &request) != 0) return false;
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    return ::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
  };
  return configure("lo", "127.0.0.1") && configure("lo:1", origin_address);
}

// As S3 answers, in one chunk or several, or to HEAD without a word.
std::string refused_session(const RequestHead& request) {
  const std::string head = "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n";
  if (request.method == "HEAD") return head;
  if (request.target == "/bucket/other")
    return "HTTP/1.1 403 Forbidden\r\nContent-Length: 39\r\n\r\n"
           "<Error><Code>AccessDenied</Code></Error";
  if (request.target == "/bucket/long")
    return "HTTP/1.1 400 Bad Request\r\nContent-Length: 5000\r\n\r\n" + std::string(4900, ' ') +
           std::string(100, 'x');
  return head + "13\r\n<Error><Code>Expire\r\n15\r\ndToken</Code></Error>\r\n0\r\n\r\n";
}

std::string answer_to(const RequestHead& request, const std::string& body) {
  if (request.target == "/chunked")
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  if (request.target == "/echo")
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body;
  const std::string* authorization = find_header(request.headers, "authorization");
  if (request.target == "/guarded" && authorization != nullptr && *authorization == "Bearer stale")
    return "HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\nstale";
  if (authorization != nullptr && authorization->find("Credential=ASIAENDED/") != std::string::npos)
    return refused_session(request);
  if (request.target == "/truncated") return "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart";
  if (request.method == "HEAD") return "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
  const std::string text = request.method + " " + request.target;
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text;
}

GrantedSigner signer_of(const std::string& key_id, TimePoint expires) {
  return {std::make_shared<const AwsCredentials>(
              AwsCredentials{key_id, Secret("granted-secret"), Secret("granted-session")}),
          expires};
}

Snapshot<Policy> load_policy() {
  auto compiled = compile(parse_policy(policy_text, "test").value());
  return Snapshot<Policy>(std::make_shared<const Policy>(std::move(compiled.value())));
}

std::shared_ptr<const Credentials> real_keys() {
  Credentials keys;
  BoundAwsCredentials bound;
  bound.provider = "real";
  bound.bindings = {{"s3.test", 443, ""},
                    {"v4a.test", 443, ""},
                    {"body.test", 443, ""},
                    {"nobody.test", 443, ""}};
  bound.keys.access_key_id = "AKIAREALREALREALREAL";
  bound.keys.secret_access_key = Secret("0123456789012345678901234567890123456789");
  keys.aws.push_back(std::move(bound));
  return std::make_shared<const Credentials>(std::move(keys));
}

}  // namespace

bool enter_network_namespace() {
  if (::unshare(CLONE_NEWNET) == 0 && set_up_loopback()) return true;
  std::puts("SKIPPED: needs the right to make a network namespace (root)");
  return false;
}

UniqueFd listen_on(const char* address, std::uint16_t port) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &to.sin_addr);
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  REQUIRE(::listen(socket.get(), 512) == 0);
  return socket;
}

std::uint16_t port_of(const UniqueFd& socket) {
  sockaddr_in own{};
  socklen_t size = sizeof own;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&own), &size);
  return ntohs(own.sin_port);
}

Origin443::Origin443(CertificateAuthority& trusted, CertificateAuthority& foreign)
    : trusted_(trusted),
      foreign_(foreign),
      listener_(listen_on(origin_address, 443)),
      acceptor_([this] { accept_all(); }) {}

Origin443::~Origin443() {
  stopping_ = true;
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  sessions_.clear();
}

std::string Origin443::last_head() {
  const std::lock_guard lock(mutex_);
  return last_head_;
}

void Origin443::accept_all() {
  while (!stopping_) {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) continue;
    ++connections_;
    sessions_.emplace_back([this, held = std::move(socket)]() mutable { serve(std::move(held)); });
  }
}

void Origin443::serve(UniqueFd socket) {
  // The name is learnt by peeking: one certificate per host, from the authority that the case calls
  // for.
  std::array<char, 1024> hello{};
  const ssize_t got = ::recv(socket.get(), hello.data(), hello.size(), MSG_PEEK);
  const std::string_view seen(hello.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  std::string host = "up.test";
  for (const char* name :
       {"ro.test", "wrong.test", "s3.test", "v4a.test", "body.test", "nobody.test"})
    if (seen.find(name) != std::string_view::npos) host = name;
  Peer client(std::move(socket));
  if (!client.accept_tls((host == "wrong.test" ? foreign_ : trusted_).new_session(host).value()))
    return;
  while (serve_one(client)) {
  }
}

bool Origin443::serve_one(Peer& client) {
  const std::string head = client.read_head();
  if (head_length(head) == 0) return false;
  const RequestHead request = parse_request_head(head).value();
  {
    const std::lock_guard lock(mutex_);
    last_head_ = head;
  }
  std::string body;
  if (!client.read_body(BodyFraming(request.framing, request.content_length), body)) return false;
  ++requests_;
  if (!body.empty()) ++whole_bodies_;
  return client.write(answer_to(request, body)) && request.target != "/truncated";
}

int Client::open_tunnel(const std::string& authority) {
  write("CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n\r\n");
  const std::string answer = read_head();
  return answer.size() < 12 ? 0 : std::stoi(answer.substr(9, 3));
}

std::string Client::ask(std::string_view request) {
  write(request);
  return read_answer(request.substr(0, request.find(' ')));
}

std::string Client::read_answer(std::string_view method) {
  const std::string answer = read_head();
  const auto head = parse_response_head(answer, method);
  if (!head) return answer.empty() ? answer : "unreadable";
  std::string body;
  read_body(BodyFraming(head->framing, head->content_length), body);
  return answer + body;
}

void FakeTokens::bind(const std::string& host,
                      std::vector<std::pair<std::string, std::string>> headers) {
  const std::lock_guard lock(mutex_);
  host_ = host;
  headers_ = std::move(headers);
}

void FakeTokens::bind_keys(const std::string& host, const std::string& key_id, TimePoint expires) {
  const std::lock_guard lock(mutex_);
  host_ = host;
  signer_ = signer_of(key_id, expires);
}

void FakeTokens::renew_keys(const std::string& key_id, TimePoint expires) {
  const std::lock_guard lock(mutex_);
  renewed_ = signer_of(key_id, expires);
}

InjectionPlace FakeTokens::last_place() {
  const std::lock_guard lock(mutex_);
  return place_;
}

void FakeTokens::fail_with(std::optional<Error> error) {
  const std::lock_guard lock(mutex_);
  error_ = std::move(error);
}

bool FakeTokens::binds(std::string_view host, std::uint16_t) const {
  const std::lock_guard lock(mutex_);
  ++looked_;
  return host == host_;
}

Result<InjectionPtr> FakeTokens::answer_for(const InjectionPlace& place) {
  const std::lock_guard lock(mutex_);
  auto injection = std::make_shared<Injection>();
  place_ = place;
  if (withdrawn_at_ > 0 && asked_ >= withdrawn_at_) host_.clear();
  if (place.host != host_) return injection;
  if (error_) return tl::unexpected(*error_);
  injection->provider = "grants";
  for (const auto& [name, value] : headers_) injection->headers.push_back({name, Secret(value)});
  injection->signer = signer_;
  return injection;
}

std::optional<Result<InjectionPtr>> FakeTokens::injection_for(const InjectionPlace& place,
                                                              const Done& done) {
  ++asked_;
  if (!later_.exchange(false)) return answer_for(place);
  helper_ = std::jthread([this, place, done] { done(answer_for(place)); });
  return std::nullopt;
}

bool FakeTokens::rejected(const InjectionPlace&, const InjectionPtr& injection, Rejected what) {
  ++rejections_;
  const std::lock_guard lock(mutex_);
  if (what == Rejected::keys) {
    const bool is_held = signer_ && injection->signer && signer_->keys == injection->signer->keys;
    if (is_held && renewed_) signer_ = std::exchange(renewed_, std::nullopt);
    return is_held;
  }
  bool renews = false;
  for (auto& [name, value] : headers_)
    if (value == "Bearer stale") {
      value = "Bearer fresh";
      renews = true;
    }
  return renews;
}

ProxyFixture::ProxyFixture(ProxySettings settings, TokenSource* source)
    : child_authority(CertificateAuthority::create(clock).value()),
      trusted(CertificateAuthority::create(clock).value()),
      foreign(CertificateAuthority::create(clock).value()),
      child_trust(UpstreamTls::create(child_authority->certificate_pem()).value()),
      origin(*trusted, *foreign),
      policy(load_policy().get()),
      credentials(real_keys()),
      audit(std::make_unique<Quiet>()),
      identity(std::make_unique<Nobody>()) {
  settings.trust_store_pem = trusted->certificate_pem();
  for (const char* name : {"up.test", "ro.test", "wrong.test", "s3.test", "raw.test", "v4a.test",
                           "body.test", "nobody.test", "plain.test"})
    settings.host_aliases.emplace_back(name, parse_address(origin_address).value());
  settings.host_aliases.emplace_back("loop.test", parse_address("127.0.0.1").value());
  settings.host_aliases.emplace_back("outside.test", parse_address(public_address).value());
  UniqueFd listener = listen_on("127.0.0.1", 0);
  port = port_of(listener);
  const ProxyDeps deps{policy, credentials, placeholder, *child_authority,
                       *audit, *identity,   clock,       source != nullptr ? source : &tokens};
  settings.threads = 1;
  proxy = Proxy::start(std::move(listener), std::move(settings), deps).value();
}

Client ProxyFixture::dial_proxy() const {
  UniqueFd socket = dial("127.0.0.1", port);
  REQUIRE(socket);
  return Client(std::move(socket));
}

bool ProxyFixture::accepts() const { return static_cast<bool>(dial("127.0.0.1", port)); }

int ProxyFixture::connect_status(const std::string& authority) {
  return dial_proxy().open_tunnel(authority);
}

Client ProxyFixture::tunnel(const std::string& host, std::uint16_t to_port) {
  Client client = dial_proxy();
  REQUIRE(client.open_tunnel(host + ":" + std::to_string(to_port)) == 200);
  REQUIRE(client.connect_tls(child_trust->new_session(host, host).value()));
  return client;
}

bool ProxyFixture::try_tunnel(const std::string& host, const std::string& server_name) {
  Client client = dial_proxy();
  REQUIRE(client.open_tunnel(host + ":443") == 200);
  return client.connect_tls(child_trust->new_session(server_name, server_name).value());
}

std::string ProxyFixture::signed_put(std::size_t size, const std::string& hash) const {
  return "PUT /bucket/key HTTP/1.1\r\nHost: s3.test\r\nContent-Length: " + std::to_string(size) +
         "\r\nx-amz-content-sha256: " + hash +
         "\r\nx-amz-date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=" +
         placeholder.access_key_id +
         "/20260101/eu-central-1/s3/aws4_request, "
         "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
         "Signature=" +
         std::string(64, 'a') + "\r\n\r\n";
}

}  // namespace keyward::netproxy
