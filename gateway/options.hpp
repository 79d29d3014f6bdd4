#pragma once
// The command line: declared once, it makes the parser and --help.

#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "gateway/certgen/certgen.hpp"
#include "gateway/certgen/manifests.hpp"

namespace keyward::gateway {

constexpr int highest_rate = 1'000'000;  // calls per second

struct ServeOptions {
  std::string config;  // TOML file; flags win over it
  std::string listen = "127.0.0.1:17670";
  std::string tls_dir = "/etc/keyward/gateway";  // what certgen wrote
  // Parts of it that lie elsewhere; empty: in tls_dir.
  std::string certificate_file, certificate_key_file, client_ca_file, jwt_dir;
  bool plaintext_loopback = false;
  bool request_client_certificate = false;                       // one that is shown must be valid
  bool require_client_certificate = false;                       // no connection without one
  std::string database = "/var/lib/keyward-gateway/gateway.db";  // or postgresql://…
  std::string key_file;                                          // empty: store.key of tls_dir
  std::string key_command;                                       // prints it instead
  std::string gateway_id = "openshell";
  int token_ttl_seconds = 3600;
  int refresh_overlap_seconds = 0;
  std::string http_listen;       // ADDRESS:PORT for health, metrics and keys; empty: none
  std::string http_url;          // under which others reach that; empty: no discovery document
  int calls_per_second = 50;     // of one sandbox; 0: no limit
  int failures_per_second = 10;  // calls without a valid token, of one source address; 0: no limit
  // Users.  None of these: the operator's socket is the only way in for people.
  std::string oidc_issuer, oidc_audience, oidc_ca_file;
  std::string oidc_roles_claim = "realm_access.roles", oidc_scopes_claim;
  std::string oidc_admin_role = "openshell-admin", oidc_user_role = "openshell-user";
  int oidc_jwks_ttl_seconds = 3600;
  bool mtls_users = false;                   // by certificates of certgen --user
  bool allow_unauthenticated_users = false;  // on a loopback address only
  // Sandboxes by their pods' ServiceAccount tokens.
  bool kubernetes = false, kubernetes_token_review = false;
  std::string sandbox_namespace, sandbox_service_account;
  std::string kubernetes_url, kubernetes_ca_file, kubernetes_token_file;  // empty: as in a pod
  std::string audit_log = "-";
  int ping_tolerance_ms = 5000;
  std::string log_level;  // of the configuration file; --log-level wins
};

struct SandboxCommand {
  enum class Verb { create, list, get, remove, token, logs } verb = Verb::list;
  std::string name, policy_file, token_file;
  bool follow = false;
  std::vector<std::string> providers;
};

struct ProviderCommand {
  enum class Verb { create, update, list, remove, attach, detach } verb = Verb::list;
  std::string type, name, sandbox, from_file, profile = "default";
  std::vector<std::string> bindings;
  bool derived_keys = false;
  std::vector<std::string> services, regions;  // of the derived keys
};

struct PolicyCommand {
  enum class Verb { set, list, get } verb = Verb::list;
  std::string sandbox, file;
  std::uint32_t version = 0;  // 0: the newest
};

// Rules that sandboxes propose for themselves.
struct DraftCommand {
  enum class Verb { list, show, approve, reject } verb = Verb::list;
  std::string sandbox, id, reason, review;
};

struct ProfileCommand {
  enum class Verb { list, import, remove } verb = Verb::list;
  std::string id, file;
};

struct KeysCommand {
  enum class Verb { list, rotate } verb = Verb::list;
  std::string tls_dir = ServeOptions().tls_dir;
  std::string jwt_dir;  // empty: jwt in tls_dir
};

struct HealthCommand {};

// --help and --version.
struct Answer {
  std::string text;
};

struct Options {
  std::variant<Answer, ServeOptions, CertgenOptions, ManifestOptions, SandboxCommand, PolicyCommand,
               ProviderCommand, DraftCommand, ProfileCommand, KeysCommand, HealthCommand>
      action;
  std::string operator_socket = "/run/keyward-gateway/operator.sock";
  bool json = false;
  log::Level log_level = log::Level::info;
};

Result<Options> parse_options(const std::vector<std::string>& arguments);

}  // namespace keyward::gateway
