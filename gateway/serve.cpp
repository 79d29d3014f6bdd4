#include "gateway/serve.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "gateway/audit.hpp"
#include "gateway/authn/sandbox_authenticator.hpp"
#include "gateway/http/server.hpp"
#include "gateway/issue/key_ring.hpp"
#include "gateway/pruning.hpp"
#include "gateway/reload.hpp"
#include "gateway/rpc/grants.hpp"
#include "gateway/rpc/server.hpp"
#include "gateway/store/key_command.hpp"
#include "gateway/store/sealing.hpp"
#include "gateway/user_authentication.hpp"

namespace keyward::gateway {
namespace {

constexpr timespec look_interval{10, 0};  // how soon a rotation is noticed
constexpr int prune_every = 60;           // look intervals

template <class T>
Result<T> with_remedy(Result<T> read, const ServeOptions& options) {
  if (read || read.error().code != Code::not_found) return read;
  return fail(read.error().code, read.error().what +
                                     "; make the files with: gateway certgen "
                                     "--output-dir " +
                                     options.tls_dir);
}

// A file that the configuration names, else certgen's.
std::string file_of(const ServeOptions& options, const std::string& named,
                    const std::string& default_name) {
  return named.empty() ? options.tls_dir + "/" + default_name : named;
}

Result<ServerTls> read_tls(const ServeOptions& options) {
  ServerTls tls;
  TRY_ASSIGN(tls.certificate_pem,
             with_remedy(read_file(file_of(options, options.certificate_file, "server/tls.crt")),
                         options));
  TRY_ASSIGN(tls.key_pem, with_remedy(read_secret_file(file_of(
                                          options, options.certificate_key_file, "server/tls.key")),
                                      options));
  tls.require_client_certificate = options.require_client_certificate;
  if (options.request_client_certificate || options.require_client_certificate ||
      options.mtls_users) {
    TRY_ASSIGN(tls.client_ca_pem,
               with_remedy(read_file(file_of(options, options.client_ca_file, "ca.crt")), options));
  }
  return tls;
}

Result<Secret> read_key(const ServeOptions& options) {
  if (!options.key_command.empty()) return read_store_key_from(options.key_command);
  return with_remedy(read_store_key(file_of(options, options.key_file, "store.key")), options);
}

bool is_base_url(const std::string& url) {
  return (url.starts_with("http://") || url.starts_with("https://")) && !url.ends_with('/') &&
         url.find_first_of(" \"\\?#") == std::string::npos;
}

Result<> check(const ServeOptions& options) {
  const std::string& id = options.gateway_id;
  if (id.empty() || id.size() > 63 ||
      id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") != std::string::npos)
    return fail(Code::invalid, "--gateway-id: lower-case letters, digits, hyphens and dots");
  if (options.plaintext_loopback && !is_loopback(options.listen))
    return fail(Code::denied,
                "--plaintext-loopback: --listen " + options.listen + " is not a loopback address");
  if (!options.key_file.empty() && !options.key_command.empty())
    return fail(Code::invalid,
                "--key-file and --key-command exclude each other, also in the configuration file");
  if (!options.http_url.empty() && !is_base_url(options.http_url))
    return fail(Code::invalid, "--http-url: http:// or https://, a host, no slash at the end");
  return {};
}

// A supervisor's start makes several calls at once.
Rate rate_of(int per_second) { return {double(per_second), 2.0 * per_second}; }

// Neither a core dump nor a debugger of the same user gets the keys.
void protect_memory() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
}

// Each supervisor holds a connection, and the customary soft limit is 1024.
void allow_connections() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before the first thread: all inherit it
  ::signal(SIGPIPE, SIG_IGN);
  return signals;
}

// What is looked at again: the keys that sign, and the server's certificate.
std::vector<Reload> reloads_of(const ServeOptions& options, KeyDirectory& ring,
                               const SandboxServerSettings& settings, const Clock& clock) {
  std::vector<Reload> reloads;
  reloads.emplace_back("signing keys", [&] { return ring.reload(clock.now()); });
  if (settings.tls)
    reloads.emplace_back("certificate", [&options, tls = settings.tls]() -> Result<bool> {
      TRY_ASSIGN(const ServerTls read, read_tls(options));
      return tls->replace(read);
    });
  return reloads;
}

void wait_for_end(const sigset_t& signals, std::vector<Reload> reloads, Pruning& pruning) {
  for (int turn = 1;; ++turn) {
    const int signal = ::sigtimedwait(&signals, nullptr, &look_interval);
    if (signal == SIGTERM || signal == SIGINT) return;
    for (Reload& reload : reloads) reload();
    if (turn % prune_every == 0) (void)pruning.turn();  // it says so where it fails
  }
}

// Null where none is asked for.
Result<std::unique_ptr<HttpServer>> start_http(const ServeOptions& options, const HttpDeps& deps) {
  if (options.http_listen.empty()) return nullptr;
  return HttpServer::start(options.http_listen, [deps](auto method, auto target) {
    return answer_http(deps, method, target);
  });
}

}  // namespace

Result<> serve(const ServeOptions& options, const std::string& operator_socket) {
  ::umask(077);
  protect_memory();
  allow_connections();
  const sigset_t signals = block_signals();
  TRY(check(options));
  const SystemClock clock;
  const std::chrono::seconds token_life(options.token_ttl_seconds);
  TRY_ASSIGN(const auto ring,
             with_remedy(KeyDirectory::open(file_of(options, options.jwt_dir, "jwt"), token_life,
                                            clock.now()),
                         options));
  SandboxServerSettings settings;
  settings.listen = options.listen;
  settings.ping_tolerance = std::chrono::milliseconds(options.ping_tolerance_ms);
  if (!options.plaintext_loopback) {
    TRY_ASSIGN(const ServerTls tls, read_tls(options));
    TRY_ASSIGN(settings.tls, LiveTls::create(tls));
  }
  TRY_ASSIGN(const Secret store_key, read_key(options));
  TRY_ASSIGN(const auto store, open_store(options.database, store_key, grants_rule()));
  TRY_ASSIGN(const auto audit, AuditLog::open(options.audit_log, clock));
  Issuer issuer(*ring, options.gateway_id, token_life, *store);
  TRY_ASSIGN(const Authentication authentication,
             make_authentication(options,
                                 std::make_unique<SandboxAuthenticator>(
                                     *ring, issuer.rules(), *store,
                                     std::chrono::seconds(options.refresh_overlap_seconds)),
                                 clock));
  Metrics metrics;
  CallLimits limits{RateLimiter(rate_of(options.calls_per_second)),
                    RateLimiter(rate_of(options.failures_per_second))};
  LogBook logs;
  SessionBook sessions;
  const ServiceDeps deps{*store, issuer,  *authentication.chain, *audit, clock, metrics, limits,
                         logs,   sessions};
  TRY_ASSIGN(const auto operators, start_operator_server(operator_socket, deps));
  TRY_ASSIGN(const auto sandboxes, start_sandbox_server(settings, deps));
  // Of no token: the question is whether the database answers.
  Readiness readiness([&store = *store] { return store.token_status("").has_value(); });
  TRY_ASSIGN(const auto http, start_http(options, {readiness, *ring, metrics, issuer.rules().issuer,
                                                   options.http_url}));
  log::info("serving", {{"listen", options.listen},
                        {"port", std::to_string(sandboxes->port())},
                        {"tls", settings.tls ? "on" : "off"},
                        {"operator_socket", operator_socket}});
  const BootClock boot;
  Pruning pruning(*store, clock, boot);
  wait_for_end(signals, reloads_of(options, *ring, settings, clock), pruning);
  log::info("stopping");
  return {};
}

}  // namespace keyward::gateway
