#include "gateway/serve.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "gateway/audit.hpp"
#include "gateway/rpc/server.hpp"
#include "gateway/store/sealing.hpp"

namespace keyward::gateway {
namespace {

constexpr timespec prune_interval{600, 0};

template <class T>
Result<T> with_remedy(Result<T> read, const ServeOptions& options) {
  if (read || read.error().code == Code::denied) return read;
  return fail(read.error().code, read.error().what +
                                     "; make the files with: gateway certgen "
                                     "--output-dir " +
                                     options.tls_dir);
}

// The pair and the kid file must agree: a gateway whose tokens nobody can verify must not start.
Result<identity::SigningKey> read_signing_key(const ServeOptions& options) {
  const std::string directory = options.tls_dir + "/jwt/";
  TRY_ASSIGN(const Secret pem, with_remedy(read_secret_file(directory + "signing.pem"), options));
  auto key = identity::parse_private_key_pem(pem.reveal());
  if (!key) return fail_at(directory + "signing.pem", std::move(key).error());
  TRY_ASSIGN(const std::string public_pem,
             with_remedy(read_file(directory + "public.pem"), options));
  const auto public_key = identity::parse_public_key_pem(public_pem);
  if (!public_key) return fail_at(directory + "public.pem", public_key.error());
  TRY_ASSIGN(const std::string kid, with_remedy(read_file(directory + "kid"), options));
  if (*public_key != key->public_key || trim(kid) != key->kid)
    return fail(Code::invalid,
                directory + ": signing.pem, public.pem and kid do not belong together");
  return std::move(*key);
}

Result<std::unique_ptr<ServerTls>> read_tls(const ServeOptions& options) {
  if (options.plaintext_loopback) return nullptr;
  const std::string directory = options.tls_dir + "/";
  auto tls = std::make_unique<ServerTls>();
  TRY_ASSIGN(tls->certificate_pem, with_remedy(read_file(directory + "server/tls.crt"), options));
  TRY_ASSIGN(tls->key_pem, with_remedy(read_secret_file(directory + "server/tls.key"), options));
  if (options.request_client_certificate) {
    TRY_ASSIGN(tls->client_ca_pem, with_remedy(read_file(directory + "ca.crt"), options));
  }
  return tls;
}

Result<> check(const ServeOptions& options) {
  const std::string& id = options.gateway_id;
  if (id.empty() || id.size() > 63 ||
      id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") != std::string::npos)
    return fail(Code::invalid, "--gateway-id: lower-case letters, digits, hyphens and dots");
  if (options.plaintext_loopback && !is_loopback(options.listen))
    return fail(Code::denied,
                "--plaintext-loopback: --listen " + options.listen + " is not a loopback address");
  return {};
}

// Neither a core dump nor a debugger of the same user gets the keys.
void protect_memory() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
}

sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before the first thread: all inherit it
  ::signal(SIGPIPE, SIG_IGN);
  return signals;
}

void wait_for_end(const sigset_t& signals, Store& store, const Clock& clock) {
  for (;;) {
    if (::sigtimedwait(&signals, nullptr, &prune_interval) > 0) return;
    const Result<> pruned = store.prune(clock.now());
    if (!pruned) log::error("prune_failed", {{"detail", pruned.error().what}});
  }
}

}  // namespace

Result<> serve(const ServeOptions& options, const std::string& operator_socket) {
  ::umask(077);
  protect_memory();
  const sigset_t signals = block_signals();
  TRY(check(options));
  TRY_ASSIGN(identity::SigningKey signing_key, read_signing_key(options));
  SandboxServerSettings settings;
  settings.listen = options.listen;
  settings.ping_tolerance = std::chrono::milliseconds(options.ping_tolerance_ms);
  TRY_ASSIGN(settings.tls, read_tls(options));
  const std::string key_file =
      options.key_file.empty() ? options.tls_dir + "/store.key" : options.key_file;
  TRY_ASSIGN(const Secret store_key, with_remedy(read_store_key(key_file), options));

  const SystemClock clock;
  TRY_ASSIGN(const auto store, open_sqlite_store(options.database, store_key));
  TRY(store->prune(clock.now()));
  TRY_ASSIGN(const auto audit, AuditLog::open(options.audit_log, clock));
  Issuer issuer(std::move(signing_key), options.gateway_id,
                std::chrono::seconds(options.token_ttl_seconds), *store);
  Authenticator authenticator(issuer.keys(), issuer.rules(), *store);
  const ServiceDeps deps{*store, issuer, authenticator, *audit, clock};
  TRY_ASSIGN(const auto operators, start_operator_server(operator_socket, deps));
  TRY_ASSIGN(const auto sandboxes, start_sandbox_server(settings, deps));
  log::info("serving", {{"listen", options.listen},
                        {"port", std::to_string(sandboxes->port())},
                        {"tls", settings.tls ? "on" : "off"},
                        {"operator_socket", operator_socket}});
  wait_for_end(signals, *store, clock);
  log::info("stopping");
  return {};
}

}  // namespace keyward::gateway
