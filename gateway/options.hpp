#pragma once
// The command line: declared once, it makes the parser and --help.

#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "gateway/certgen/certgen.hpp"

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
  std::string gateway_id = "openshell";
  int token_ttl_seconds = 3600;
  int refresh_overlap_seconds = 0;
  std::string http_listen;       // ADDRESS:PORT for health, metrics and keys; empty: none
  std::string http_url;          // under which others reach that; empty: no discovery document
  int calls_per_second = 50;     // of one sandbox; 0: no limit
  int failures_per_second = 10;  // calls without a valid token, of one source address; 0: no limit
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
  enum class Verb { create, list, remove, attach, detach } verb = Verb::list;
  std::string type, name, sandbox, from_file, profile = "default";
  std::vector<std::string> bindings;
};

struct PolicyCommand {
  enum class Verb { set, list, get } verb = Verb::list;
  std::string sandbox, file;
  std::uint32_t version = 0;  // 0: the newest
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
  std::variant<Answer, ServeOptions, CertgenOptions, SandboxCommand, PolicyCommand, ProviderCommand,
               KeysCommand, HealthCommand>
      action;
  std::string operator_socket = "/run/keyward-gateway/operator.sock";
  bool json = false;
  log::Level log_level = log::Level::info;
};

Result<Options> parse_options(const std::vector<std::string>& arguments);

}  // namespace keyward::gateway
