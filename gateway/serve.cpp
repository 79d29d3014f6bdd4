#include "gateway/serve.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.hpp"
#include "base/log.hpp"
#include "gateway/rpc/server.hpp"
#include "gateway/store/sealing.hpp"

namespace keyward::gateway {
namespace {

constexpr int prune_interval_ms = 60'000;

Result<identity::SigningKey> load_signing_key(const std::string& directory) {
  const std::string path = directory + "/jwt/signing.pem";
  auto pem = read_secret_file(path);
  if (!pem && pem.error().code == Code::not_found)
    return fail(Code::not_found,
                path + ": missing; make it with: gateway certgen --output-dir " + directory);
  if (!pem) return tl::unexpected(std::move(pem).error());
  auto key = identity::parse_private_key_pem(pem->reveal());
  if (!key) return fail_at(path, std::move(key).error());
  return key;
}

Result<ListenSettings> listen_settings(const ServeOptions& options) {
  ListenSettings settings;
  settings.address = options.listen;
  settings.operator_socket = options.operator_socket;
  if (options.plaintext) return settings;
  TRY_ASSIGN(settings.certificate_pem, read_file(options.key_directory + "/server/tls.crt"));
  TRY_ASSIGN(settings.key_pem, read_secret_file(options.key_directory + "/server/tls.key"));
  if (options.require_client_certificate) {
    TRY_ASSIGN(settings.client_ca_pem, read_file(options.key_directory + "/ca.crt"));
  }
  return settings;
}

Result<UniqueFd> block_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC));
  if (!fd) return fail_errno("signals");
  return fd;
}

// No core dump, no debugger of another process: the keys live here.
void protect_memory() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

Result<> run_until_signal(const UniqueFd& signals, Store& store, const Clock& clock) {
  for (;;) {
    pollfd waiting{signals.get(), POLLIN, 0};
    const int ready = ::poll(&waiting, 1, prune_interval_ms);
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return fail_errno("serve: poll");
    if (const Result<> pruned = store.prune(clock.now()); !pruned)
      log::error("prune_failed", {{"detail", pruned.error().what}});
  }
}

}  // namespace

Result<> serve(const ServeOptions& options) {
  protect_memory();
  TRY_ASSIGN(const UniqueFd signals, block_signals());
  if (options.token_life_seconds == 0)
    return fail(Code::invalid, "--token-ttl: tokens that never end are not served");
  TRY_ASSIGN(const Secret store_key,
             read_store_key(options.key_file.empty() ? options.key_directory + "/store.key"
                                                     : options.key_file));
  TRY_ASSIGN(identity::SigningKey signing_key, load_signing_key(options.key_directory));
  TRY_ASSIGN(const ListenSettings settings, listen_settings(options));

  const SystemClock clock;
  TRY_ASSIGN(const auto store, open_sqlite_store(options.database, store_key));
  TRY_ASSIGN(const auto audit, AuditLog::open(options.audit_file, clock));
  Issuer issuer(std::move(signing_key), options.gateway_id,
                std::chrono::seconds(options.token_life_seconds), *store);
  Authenticator authenticator(issuer.keys(), issuer.rules(), *store);
  TRY_ASSIGN(const auto server,
             Server::start(settings, {*store, issuer, authenticator, *audit, clock}));
  log::info("gateway_ready", {{"listen", options.listen},
                              {"tls", options.plaintext ? "off" : "on"},
                              {"operator_socket", options.operator_socket}});
  return run_until_signal(signals, *store, clock);
}

}  // namespace keyward::gateway
