#include "gateway/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "base/environment.hpp"
#include "base/file.hpp"
#include "gateway/config_file.hpp"
#include "gateway/options_certgen.hpp"
#include "gateway/options_commands.hpp"
#include "gateway/token_limits.hpp"

namespace keyward::gateway {
namespace {

constexpr const char* about =
    "Keyward gateway: issues, refreshes and revokes sandboxes' tokens, and keeps their policies "
    "and credentials.";

constexpr const char* footer = R"(Exit codes are gRPC codes:
  0 ok   3 invalid argument   4 timeout   5 not found   6 exists already   7 denied   8 limit reached
  9 not as things stand   10 conflict   12 unsupported   13 internal or input/output error
  14 no gateway answers   16 unauthenticated

Examples:
  gateway certgen --output-dir /etc/keyward/gateway --server-san gateway.example.com
  gateway certgen --kubernetes --namespace NS --jwt-secret-name keys --jwt-only | kubectl apply -f -
  gateway serve --tls-dir /etc/keyward/gateway --listen 0.0.0.0:17670
  gateway provider create aws prod --from-file aws.env --bind '*.amazonaws.com:443'
  gateway sandbox create build --policy policy.yaml --provider prod --token-out /etc/openshell/auth/sandbox.jwt
  gateway sandbox token build --out /etc/openshell/auth/sandbox.jwt
  gateway sandbox list --json
  gateway sandbox logs build --follow
  gateway policy set build policy.yaml
  gateway draft list build
  gateway keys rotate --tls-dir /etc/keyward/gateway)";

const std::map<std::string, log::Level> log_levels = {{"debug", log::Level::debug},
                                                      {"info", log::Level::info},
                                                      {"warn", log::Level::warn},
                                                      {"error", log::Level::error}};

// What the parser fills; one of them is taken.
struct Parsed {
  Options options;
  ServeOptions serve;
  CertgenArguments certgen;
  CommandArguments commands;
};

void declare_users(CLI::App& serve, ServeOptions& options) {
  serve
      .add_option("--oidc-issuer", options.oidc_issuer,
                  "OpenID Connect issuer whose tokens users present")
      ->group("Users");
  serve.add_option("--oidc-audience", options.oidc_audience, "what those tokens carry in aud")
      ->group("Users");
  serve.add_option("--oidc-ca", options.oidc_ca_file, "CA of the issuer (default: the system's)")
      ->group("Users");
  serve.add_option("--oidc-roles-claim", options.oidc_roles_claim, "path of the roles in a token")
      ->capture_default_str()
      ->group("Users");
  serve.add_option("--oidc-admin-role", options.oidc_admin_role, "role that may do everything")
      ->capture_default_str()
      ->group("Users");
  serve.add_option("--oidc-user-role", options.oidc_user_role, "role that may use sandboxes")
      ->capture_default_str()
      ->group("Users");
  serve
      .add_option("--oidc-scopes-claim", options.oidc_scopes_claim,
                  "path of the scopes; without one scopes limit nothing")
      ->group("Users");
  serve
      .add_option("--oidc-jwks-ttl", options.oidc_jwks_ttl_seconds,
                  "seconds after which the issuer's keys are fetched again")
      ->check(CLI::Range(60, 86'400))
      ->capture_default_str()
      ->group("Users");
  serve
      .add_flag("--mtls-users", options.mtls_users,
                "users by client certificates that certgen --user made")
      ->group("Users");
  serve
      .add_flag("--allow-unauthenticated-users", options.allow_unauthenticated_users,
                "everybody may do everything; refused unless --listen is a loopback address")
      ->group("Users");
}

void declare_kubernetes(CLI::App& serve, ServeOptions& options) {
  serve
      .add_flag("--kubernetes", options.kubernetes,
                "exchange the ServiceAccount tokens of sandboxes' pods")
      ->group("Kubernetes");
  serve
      .add_option("--sandbox-namespace", options.sandbox_namespace, "namespace of sandboxes' pods")
      ->group("Kubernetes");
  serve
      .add_option("--sandbox-service-account", options.sandbox_service_account,
                  "ServiceAccount of sandboxes' pods")
      ->group("Kubernetes");
  serve
      .add_flag("--kubernetes-token-review", options.kubernetes_token_review,
                "ask the API server about each token (needs create on tokenreviews) instead of "
                "checking its signature here")
      ->group("Kubernetes");
  serve.add_option("--kubernetes-url", options.kubernetes_url, "API server (default: as in a pod)")
      ->group("Kubernetes");
  serve.add_option("--kubernetes-ca", options.kubernetes_ca_file, "its CA (default: as in a pod)")
      ->group("Kubernetes");
  serve
      .add_option("--kubernetes-token-file", options.kubernetes_token_file,
                  "the gateway's own token (default: as in a pod)")
      ->group("Kubernetes");
}

void declare_state(CLI::App& serve, ServeOptions& options) {
  serve
      .add_option("--database", options.database,
                  "SQLite file, made 0600 when it is absent, or postgresql://USER@HOST/NAME")
      ->capture_default_str();
  serve.add_option("--key-file", options.key_file,
                   "key that seals stored credentials (default: store.key of --tls-dir)");
  serve
      .add_option("--key-command", options.key_command,
                  "program that prints this key instead, within 10 s: an absolute path, no "
                  "arguments, writable for its owner alone")
      ->check([](const std::string& program) {  // else it would mean: take the file
        return std::string(program.empty() ? "must not be empty" : "");
      });
}

void declare_serve(CLI::App& app, Parsed& parsed) {
  ServeOptions& options = parsed.serve;
  CLI::App* serve = app.add_subcommand("serve", "Serve sandboxes and the operator's socket");
  serve->fallthrough();
  serve->add_option("--config", options.config,
                    "TOML file with the same settings; flags win (environment: "
                    "OPENSHELL_GATEWAY_CONFIG)");
  serve->add_option("--listen", options.listen, "ADDRESS:PORT")->capture_default_str();
  serve->add_option("--tls-dir", options.tls_dir, "directory that certgen wrote")
      ->capture_default_str();
  serve->add_option("--jwt-dir", options.jwt_dir,
                    "where the tokens' signing key lies (default: jwt of --tls-dir)");
  serve->add_flag("--plaintext-loopback", options.plaintext_loopback,
                  "no TLS; refused unless --listen is a loopback address");
  serve->add_flag("--require-client-certificate", options.require_client_certificate,
                  "end connections of clients that show none of our CA");
  serve->add_flag("--request-client-certificate", options.request_client_certificate,
                  "ask clients for a certificate of our CA; one that is shown must be valid");
  declare_state(*serve, options);
  serve->add_option("--gateway-id", options.gateway_id, "part of the tokens' issuer")
      ->capture_default_str();
  serve->add_option("--token-ttl", options.token_ttl_seconds, "a token's life in seconds")
      ->check(CLI::Range(shortest_token_life.count(), longest_token_life.count()))
      ->capture_default_str();
  serve
      ->add_option("--refresh-overlap", options.refresh_overlap_seconds,
                   "seconds for which a refreshed token still works, for OpenShell's supervisors")
      ->check(CLI::Range(0, static_cast<int>(longest_overlap.count())))
      ->capture_default_str();
  serve->add_option("--http-listen", options.http_listen,
                    "ADDRESS:PORT for /healthz, /readyz, /metrics and /.well-known/jwks.json");
  serve->add_option("--http-url", options.http_url,
                    "URL under which --http-listen is reached, for the discovery document");
  serve
      ->add_option("--calls-per-second", options.calls_per_second,
                   "of one sandbox; twice as many at once after a pause; 0: no limit")
      ->check(CLI::Range(0, highest_rate))
      ->capture_default_str();
  serve
      ->add_option("--failures-per-second", options.failures_per_second,
                   "calls without a valid token, of one source address; 0: no limit")
      ->check(CLI::Range(0, highest_rate))
      ->capture_default_str();
  declare_users(*serve, options);
  declare_kubernetes(*serve, options);
  serve->add_option("--audit-log", options.audit_log, "file for audit lines; - is standard error")
      ->capture_default_str();
  serve
      ->add_option("--ping-tolerance-ms", options.ping_tolerance_ms,
                   "shortest interval of a client's idle PINGs, in milliseconds")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  serve->callback([&parsed] { parsed.options.action = parsed.serve; });
}

void declare_common(CLI::App& app, Parsed& parsed) {
  app.add_option("--operator-socket", parsed.options.operator_socket,
                 "the operator's unix socket, in a directory of its own")
      ->capture_default_str();
  app.add_flag("--json", parsed.options.json, "JSON instead of tables");
  app.add_option("--log-level", parsed.options.log_level, "debug | info | warn | error")
      ->transform(CLI::CheckedTransformer(log_levels));
  app.set_version_flag("--version", KEYWARD_VERSION);
  app.footer(footer);
  app.require_subcommand(1);
}

// One pass over the arguments; `parsed` holds the defaults.
Result<Options> parse_once(const std::vector<std::string>& arguments, Parsed parsed) {
  CLI::App app(about, "gateway");
  declare_common(app, parsed);
  declare_serve(app, parsed);
  declare_certgen(app, parsed.certgen, parsed.options);
  declare_commands(app, parsed.commands, parsed.options);
  CLI::App* health = app.add_subcommand("health", "Ask whether a gateway answers on the socket");
  health->fallthrough()->callback([&parsed] { parsed.options.action = HealthCommand(); });
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    const CLI::App* asked = &app;
    while (!asked->get_subcommands().empty()) asked = asked->get_subcommands().front();
    parsed.options.action = Answer{asked->help()};
  } catch (const CLI::CallForVersion&) {
    parsed.options.action = Answer{std::string(KEYWARD_VERSION) + "\n"};
  } catch (const CLI::ParseError& error) {
    return fail(Code::invalid, std::string(error.what()) + "; see --help");
  }
  return std::move(parsed.options);
}

// The file's settings become the defaults of a second pass, so that flags win over them.
Result<Options> with_file(const std::vector<std::string>& arguments, const ServeOptions& first) {
  const auto text = read_file(first.config, config_file_limit);
  if (!text) return fail_at("--config", text.error());
  Parsed defaults;
  TRY_ASSIGN(defaults.serve, parse_config(*text, first.config, {}));
  const std::string& level = defaults.serve.log_level;
  if (const auto found = log_levels.find(level); found != log_levels.end())
    defaults.options.log_level = found->second;
  else if (!level.empty())
    return fail(Code::invalid, first.config + ": log_level: debug, info, warn or error");
  return parse_once(arguments, std::move(defaults));
}

}  // namespace

Result<Options> parse_options(const std::vector<std::string>& arguments) {
  TRY_ASSIGN(Options options, parse_once(arguments, {}));
  TRY(complete_certgen(options));
  const auto* serve = std::get_if<ServeOptions>(&options.action);
  if (serve == nullptr) return options;
  ServeOptions first = *serve;
  if (first.config.empty()) first.config = environment_map()["OPENSHELL_GATEWAY_CONFIG"];
  return first.config.empty() ? std::move(options) : with_file(arguments, first);
}

}  // namespace keyward::gateway
