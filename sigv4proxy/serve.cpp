#include "sigv4proxy/serve.hpp"

#include <signal.h>
#include <sys/resource.h>

#include <chrono>
#include <functional>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/trust_store.hpp"
#include "netproxy/io/null_sandbox.hpp"
#include "sigv4proxy/certificate.hpp"
#include "sigv4proxy/client_keys.hpp"
#include "sigv4proxy/listen.hpp"
#include "sigv4proxy/notify.hpp"
#include "sigv4proxy/signing_gate.hpp"
#include "sigv4proxy/utility.hpp"

namespace keyward::sigv4proxy {
namespace {

using netproxy::Proxy;
using netproxy::ProxySettings;
using std::chrono::seconds;

constexpr timespec look_interval{5, 0};  // how soon a replaced certificate is noticed
constexpr timespec drain_interval{0, 20'000'000};

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP}) sigaddset(&set, number);
  return set;
}

Result<> block_signals() {
  const sigset_t set = handled_signals();
  if (::pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0)
    return fail(Code::internal, "signals cannot be blocked");
  ::signal(SIGPIPE, SIG_IGN);
  return {};
}

// Two sockets for each request: as many descriptors as the system lets us have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Result<std::string> file_if_present(const char* path) {
  Result<std::string> content = read_file(path);
  if (!content && content.error().code == Code::not_found) return std::string();
  return content;
}

Result<std::pair<std::string, netproxy::Address>> host_alias(const std::string& text) {
  const auto equals = text.find('=');
  const auto address = netproxy::parse_address(
      equals == std::string::npos ? std::string() : text.substr(equals + 1));
  const auto name = netproxy::canonical_host(text.substr(0, equals));
  if (!address || !name) return fail(Code::invalid, "--host-alias: must be NAME=IP");
  return std::pair(*name, *address);
}

Result<ProxySettings> proxy_settings(const Options& options) {
  ProxySettings settings;
  settings.threads = options.threads;
  settings.limits.dial_timeout = seconds(options.connect_timeout);
  settings.limits.upstream_timeout = seconds(options.request_timeout);
  settings.limits.pool_idle = seconds(options.upstream_idle);
  TRY_ASSIGN(settings.resolv_conf, file_if_present("/etc/resolv.conf"));
  TRY_ASSIGN(settings.hosts, file_if_present("/etc/hosts"));
  for (const std::string& text : options.host_aliases) {
    TRY_ASSIGN(auto alias, host_alias(text));
    settings.host_aliases.push_back(std::move(alias));
  }
  settings.verify_upstreams = !options.no_verify_ssl;
  return settings;
}

// What vouches for the upstream's certificate.
Result<std::string> upstream_trust(const Options& options, bool secure) {
  if (options.ca_file.empty()) return secure ? system_trust_store() : std::string();
  TRY_ASSIGN(std::string pem, read_file(options.ca_file));
  if (pem.empty()) return fail(Code::invalid, "--ca: the file is empty");
  return pem;
}

// Where to, and in which region STS is asked.
struct Way {
  Upstream upstream;
  std::shared_ptr<AwsHosts> hosts;
  std::string region;
};

Result<Way> choose_way(const Options& options, const std::string& configured_region) {
  Way way;
  if (options.any_aws_host) {
    way.hosts = std::make_shared<AwsHosts>(options, configured_region);
    way.region = options.region.empty() ? configured_region : options.region;
    return way;
  }
  TRY_ASSIGN(way.upstream, choose_upstream(options, configured_region));
  way.region = way.upstream.target.region;
  return way;
}

GateSettings gate_settings(const Options& options, Way way, Rewriting rewriting) {
  return {std::move(way.upstream),
          std::move(way.hosts),
          std::move(rewriting),
          std::size_t{options.hold_kib} * 1024,
          seconds(options.signature_lifetime),
          options.unsigned_payload,
          options.dry_run,
          options.log_signing,
          options.log_failed_requests};
}

// Waits for a signal that ends the program, and looks at the files meanwhile.
void wait_for_end(const std::function<void()>& look_at_files) {
  const sigset_t set = handled_signals();
  for (;;) {
    const int number = ::sigtimedwait(&set, nullptr, &look_interval);
    if (number > 0 && number != SIGHUP) return;
    look_at_files();
  }
}

void drain(Proxy& proxy, unsigned at_most) {
  const auto until = std::chrono::steady_clock::now() + seconds(at_most);
  proxy.drain();
  const sigset_t set = handled_signals();
  while (proxy.active_connections() > 0 && std::chrono::steady_clock::now() < until) {
    const int number = ::sigtimedwait(&set, nullptr, &drain_interval);
    if (number > 0 && number != SIGHUP) break;  // asked twice: at once
  }
  if (const std::size_t left = proxy.active_connections(); left > 0)
    log::warn("connections_cut", {{"count", std::to_string(left)}});
}

void say_start(const Options& options, const Upstream& upstream) {
  if (options.any_aws_host)
    log::warn("serving", {{"listen", options.listen_on},
                          {"upstream", "the AWS endpoint that each request's Host names"},
                          {"detail", "whoever reaches the port can use all of AWS with the keys"}});
  else
    log::info("serving",
              {{"listen", options.listen_on},
               {"upstream", (upstream.secure ? "https://" : "http://") + upstream.to.host + ":" +
                                std::to_string(upstream.to.port) + upstream.prefix},
               {"service", upstream.target.service},
               {"region", upstream.target.region}});
  if (options.no_verify_ssl)
    log::warn("upstream_not_verified",
              {{"detail",
                "--no-verify-ssl: whoever is between this proxy and the upstream can read "
                "and change everything, session tokens included"}});
  if (options.dry_run) log::warn("dry_run", {{"detail", "nothing is forwarded"}});
}

UtilityGate::Health health_of(const identity::AwsKeyState& state, TimePoint now) {
  if (!state.keys) return {false, "no keys: " + state.problem};
  const std::optional<TimePoint> end = state.keys->expires;
  if (end && *end <= now) return {false, "the keys have ended: " + state.problem};
  return {true, "OK"};
}

// All that serving needs, in the order in which it is built; it ends the other way round.
class Service {
 public:
  Service(const Options& options, const Environment& environment)
      : options_(options), environment_(environment) {}
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service() = default;

  Result<> start();
  void look_at_files();
  Proxy& proxy() { return *proxy_; }

 private:
  Result<> start_utility(const ListenAddress& where);
  netproxy::ProxyDeps deps(netproxy::RequestGate& gate);

  const Options& options_;
  const Environment& environment_;
  SystemClock clock_;
  Metrics metrics_;
  netproxy::NullSandbox nothing_;
  Certificate certificate_{options_.cert_file, options_.key_file};
  ClientKeys clients_{options_.verify_chunks};
  std::string clients_failure_;
  ProxySettings settings_;
  Snapshot<identity::AwsKeyState> keys_;
  std::unique_ptr<identity::KeyKeeper> keeper_;
  std::unique_ptr<SigningGate> gate_;
  std::unique_ptr<UtilityGate> utility_gate_;
  std::unique_ptr<Proxy> proxy_, utility_;
};

netproxy::ProxyDeps Service::deps(netproxy::RequestGate& gate) {
  return nothing_.deps(clock_, gate);
}

void Service::look_at_files() {
  certificate_.reload();
  if (options_.verify_chunks.empty()) return;
  const Result<> loaded = clients_.load();
  if (!loaded && clients_failure_ != loaded.error().what)
    log::error("client_keys_not_reloaded",
               {{"detail", loaded.error().what}, {"used", "the ones before"}});
  clients_failure_ = loaded ? std::string() : loaded.error().what;
}

Result<> Service::start() {
  TRY_ASSIGN(const ListenAddress where, parse_listen_address(options_.listen_on));
  TRY_ASSIGN(Rewriting rewriting, read_rewriting(options_));
  TRY_ASSIGN(const std::string region, region_of(environment_));
  TRY_ASSIGN(Way way, choose_way(options_, region));
  TRY_ASSIGN(settings_, proxy_settings(options_));
  ProxySettings serving = settings_;
  TRY_ASSIGN(serving.trust_store_pem, upstream_trust(options_, way.upstream.secure));
  if (!options_.cert_file.empty()) TRY(certificate_.load());
  const bool verifies = !options_.verify_chunks.empty();
  if (verifies) TRY(clients_.load());
  TRY_ASSIGN(UniqueFd listener, listen_on(where));  // before keys are asked for: it may be taken
  say_start(options_, way.upstream);
  keeper_ = keep_keys({options_, environment_, settings_, way.region, metrics_, clock_}, keys_);
  gate_ = std::make_unique<SigningGate>(
      gate_settings(options_, std::move(way), std::move(rewriting)),
      GateDeps{keys_, metrics_, clock_, verifies ? &clients_ : nullptr});
  netproxy::ProxyDeps proxy_deps = deps(*gate_);
  proxy_deps.listener_tls = certificate_.tls();
  TRY_ASSIGN(proxy_, Proxy::start(std::move(listener), std::move(serving), proxy_deps));
  return start_utility({where.address, options_.utility_port});
}

Result<> Service::start_utility(const ListenAddress& where) {
  if (where.port == 0) return {};
  utility_gate_ = std::make_unique<UtilityGate>(
      [this] { return health_of(*keys_.get(), clock_.now()); },
      [this] { return metrics_.text({proxy_->active_connections(), *keys_.get(), clock_.now()}); });
  TRY_ASSIGN(UniqueFd listener, listen_on(where));
  ProxySettings settings;
  settings.threads = 1;
  TRY_ASSIGN(utility_, Proxy::start(std::move(listener), settings, deps(*utility_gate_)));
  return {};
}

}  // namespace

Result<> serve(const Options& options, const Environment& environment) {
  TRY(block_signals());
  raise_descriptor_limit();
  const auto socket = environment.variables.find("NOTIFY_SOCKET");
  const std::string notify_socket =
      socket == environment.variables.end() ? std::string() : socket->second;
  Service service(options, environment);
  TRY(service.start());
  notify(notify_socket, "READY=1");
  wait_for_end([&service] { service.look_at_files(); });
  notify(notify_socket, "STOPPING=1");
  log::info("draining");
  drain(service.proxy(), options.drain_timeout);
  return {};
}

}  // namespace keyward::sigv4proxy
