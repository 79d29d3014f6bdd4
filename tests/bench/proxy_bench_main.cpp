// Runs the proxy on a listener of its own, for side-by-side measurements: everything that a sandbox
// has around it (policy, audit to a file), but no sandbox.
//   proxy_bench HOST:PORT POLICY.yaml TRUST.pem AUDIT.jsonl CA-OUT.pem [NAME=ADDRESS…]

#include <arpa/inet.h>
#include <sys/socket.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "netproxy/audit/jsonl.hpp"
#include "netproxy/http/target.hpp"
#include "netproxy/io/proxy.hpp"
#include "netproxy/policy/yaml.hpp"
#include "netproxy/tls/authority.hpp"

namespace keyward::netproxy {
namespace {

std::string read_text(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Result<UniqueFd> listen_on(std::string_view where) {
  TRY_ASSIGN(const Authority authority, parse_authority(where));
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(authority.port);
  ::inet_pton(AF_INET, authority.host.c_str(), &address.sin_addr);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno("bind");
  if (::listen(socket.get(), 4096) != 0) return fail_errno("listen");
  return socket;
}

class Nobody final : public ClientIdentity {
 public:
  Result<std::vector<std::string>> executables(std::uint16_t, std::uint16_t) override {
    return std::vector<std::string>{};
  }
};

Result<ProxySettings> make_settings(int argc, char** argv) {
  ProxySettings settings;
  settings.trust_store_pem = read_text(argv[3]);
  for (int i = 6; i < argc; ++i) {
    const std::string_view alias = argv[i];
    const std::size_t equals = std::min(alias.find('='), alias.size() - 1);
    TRY_ASSIGN(const Address address, parse_address(alias.substr(equals + 1)));
    settings.host_aliases.emplace_back(alias.substr(0, equals), address);
  }
  return settings;
}

Result<> run(int argc, char** argv) {
  const SystemClock clock;
  TRY_ASSIGN(const PolicyModel model, parse_policy(read_text(argv[2]), argv[2]));
  TRY_ASSIGN(Policy policy, compile(model));
  const Snapshot<Policy> policies(std::make_shared<const Policy>(std::move(policy)));
  const Snapshot<Credentials> credentials(std::make_shared<const Credentials>());
  const Placeholder placeholder = make_placeholder();
  TRY_ASSIGN(const auto authority, CertificateAuthority::create(clock));
  std::ofstream(argv[5]) << authority->certificate_pem();
  TRY_ASSIGN(const auto audit, open_audit_file(argv[4], clock));
  Nobody identity;
  TRY_ASSIGN(UniqueFd listener, listen_on(argv[1]));
  TRY_ASSIGN(ProxySettings settings, make_settings(argc, argv));
  const ProxyDeps deps{policies, credentials, placeholder, *authority, *audit, identity, clock};
  sigset_t ends;
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGTERM);
  ::sigaddset(&ends, SIGINT);
  ::sigprocmask(SIG_BLOCK, &ends, nullptr);
  TRY_ASSIGN(const auto proxy, Proxy::start(std::move(listener), std::move(settings), deps));
  int signal = 0;
  ::sigwait(&ends, &signal);
  return {};
}

}  // namespace
}  // namespace keyward::netproxy

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fputs("usage: proxy_bench HOST:PORT POLICY TRUST AUDIT CA-OUT [NAME=ADDRESS...]\n",
               stderr);
    return 2;
  }
  const auto done = keyward::netproxy::run(argc, argv);
  if (!done) std::fprintf(stderr, "proxy_bench: %s\n", done.error().what.c_str());
  return done ? 0 : 1;
}
