#include "gateway/config_file.hpp"

#include <algorithm>
#include <variant>

#include "base/toml.hpp"
#include "gateway/token_limits.hpp"

namespace keyward::gateway {
namespace {

struct Number {
  int ServeOptions::* field;
  std::int64_t least, most;
};
using Target = std::variant<std::string ServeOptions::*, bool ServeOptions::*, Number>;

struct Setting {
  std::string_view key;
  Target target;
};

const Setting settings[] = {
    {"openshell.gateway.bind_address", &ServeOptions::listen},
    {"openshell.gateway.log_level", &ServeOptions::log_level},
    {"openshell.gateway.disable_tls", &ServeOptions::plaintext_loopback},
    {"openshell.gateway.tls.cert_path", &ServeOptions::certificate_file},
    {"openshell.gateway.tls.key_path", &ServeOptions::certificate_key_file},
    {"openshell.gateway.tls.client_ca_path", &ServeOptions::client_ca_file},
    {"openshell.gateway.tls.require_client_auth", &ServeOptions::require_client_certificate},
    {"openshell.gateway.gateway_jwt.gateway_id", &ServeOptions::gateway_id},
    {"openshell.gateway.gateway_jwt.ttl_secs",
     Number{&ServeOptions::token_ttl_seconds, shortest_token_life.count(),
            longest_token_life.count()}},
    {"openshell.gateway.oidc.issuer", &ServeOptions::oidc_issuer},
    {"openshell.gateway.oidc.audience", &ServeOptions::oidc_audience},
    {"openshell.gateway.oidc.jwks_ttl_secs",
     Number{&ServeOptions::oidc_jwks_ttl_seconds, 60, 86'400}},
    {"openshell.gateway.oidc.roles_claim", &ServeOptions::oidc_roles_claim},
    {"openshell.gateway.oidc.admin_role", &ServeOptions::oidc_admin_role},
    {"openshell.gateway.oidc.user_role", &ServeOptions::oidc_user_role},
    {"openshell.gateway.oidc.scopes_claim", &ServeOptions::oidc_scopes_claim},
    {"openshell.gateway.auth.allow_unauthenticated_users",
     &ServeOptions::allow_unauthenticated_users},
    {"openshell.gateway.mtls_auth.enabled", &ServeOptions::mtls_users},
    {"openshell.gateway.sandbox_namespace", &ServeOptions::sandbox_namespace},
    {"openshell.gateway.service_account_name", &ServeOptions::sandbox_service_account},
    {"keyward.gateway.oidc_ca_path", &ServeOptions::oidc_ca_file},
    {"keyward.gateway.kubernetes.enabled", &ServeOptions::kubernetes},
    {"keyward.gateway.kubernetes.token_review", &ServeOptions::kubernetes_token_review},
    {"keyward.gateway.kubernetes.url", &ServeOptions::kubernetes_url},
    {"keyward.gateway.kubernetes.ca_path", &ServeOptions::kubernetes_ca_file},
    {"keyward.gateway.kubernetes.token_path", &ServeOptions::kubernetes_token_file},
    {"keyward.gateway.tls_dir", &ServeOptions::tls_dir},
    {"keyward.gateway.jwt_dir", &ServeOptions::jwt_dir},
    {"keyward.gateway.request_client_certificate", &ServeOptions::request_client_certificate},
    {"keyward.gateway.database", &ServeOptions::database},
    {"keyward.gateway.key_file", &ServeOptions::key_file},
    {"keyward.gateway.key_command", &ServeOptions::key_command},
    {"keyward.gateway.refresh_overlap_secs",
     Number{&ServeOptions::refresh_overlap_seconds, 0, longest_overlap.count()}},
    {"keyward.gateway.calls_per_second", Number{&ServeOptions::calls_per_second, 0, highest_rate}},
    {"keyward.gateway.failures_per_second",
     Number{&ServeOptions::failures_per_second, 0, highest_rate}},
    {"keyward.gateway.http_bind_address", &ServeOptions::http_listen},
    {"keyward.gateway.http_url", &ServeOptions::http_url},
    {"keyward.gateway.audit_log", &ServeOptions::audit_log},
    {"keyward.gateway.ping_tolerance_ms", Number{&ServeOptions::ping_tolerance_ms, 1, 10'000}},
};

// OpenShell's keys that have another name here.
constexpr struct {
  std::string_view key, instead;
} renamed[] = {
    {"openshell.gateway.health_bind_address", "keyward.gateway.http_bind_address serves both"},
    {"openshell.gateway.metrics_bind_address", "keyward.gateway.http_bind_address serves both"},
    {"openshell.gateway.gateway_jwt.signing_key_path", "keyward.gateway.jwt_dir holds all three"},
    {"openshell.gateway.gateway_jwt.public_key_path", "keyward.gateway.jwt_dir holds all three"},
    {"openshell.gateway.gateway_jwt.kid_path", "keyward.gateway.jwt_dir holds all three"},
    {"openshell.gateway.grpc_rate_limit_requests",
     "keyward.gateway.calls_per_second is for each sandbox"},
    {"openshell.gateway.grpc_rate_limit_window_seconds",
     "keyward.gateway.calls_per_second is for each sandbox"},
    {"openshell.gateway.database_url", "keyward.gateway.database, without a password"},
};

// The rest of OpenShell's tables (its reference, section "TOML").
constexpr std::string_view not_served[] = {"openshell.gateway.", "openshell.drivers.",
                                           "openshell.supervisor."};

std::string place(const std::string& path, const toml::node& node) {
  return path + ":" + std::to_string(node.source().begin.line) + ": ";
}

struct Take {
  ServeOptions& options;
  const toml::node& node;

  Result<> operator()(std::string ServeOptions::* field) const {
    const auto* text = node.as_string();
    if (text == nullptr || text->get().empty()) return fail(Code::invalid, "a non-empty string");
    options.*field = text->get();
    return {};
  }
  Result<> operator()(bool ServeOptions::* field) const {
    const auto* flag = node.as_boolean();
    if (flag == nullptr) return fail(Code::invalid, "true or false");
    options.*field = flag->get();
    return {};
  }
  Result<> operator()(const Number& number) const {
    const auto* value = node.as_integer();
    if (value == nullptr || value->get() < number.least || value->get() > number.most)
      return fail(Code::invalid, "a number from " + std::to_string(number.least) + " to " +
                                     std::to_string(number.most));
    options.*number.field = static_cast<int>(value->get());
    return {};
  }
};

std::string unknown(std::string_view key) {
  for (const auto& entry : renamed)
    if (entry.key == key) return std::string(key) + " is not served: " + std::string(entry.instead);
  const bool known = std::any_of(std::begin(not_served), std::end(not_served),
                                 [&](std::string_view prefix) { return key.starts_with(prefix); });
  return (known ? "not served by this version: " : "unknown key ") + std::string(key);
}

class Reader {
 public:
  Reader(const std::string& path, ServeOptions& options) : path_(path), options_(options) {}

  Result<> read(const toml::table& table, const std::string& prefix) {
    for (const auto& [name, node] : table) {
      const std::string key = prefix + std::string(name.str());
      if (const auto* inner = node.as_table())
        TRY(read(*inner, key + "."));
      else
        TRY(take(key, node));
    }
    return {};
  }

 private:
  Result<> take(const std::string& key, const toml::node& node) {
    if (key == "openshell.version") {
      const auto* version = node.as_integer();
      if (version != nullptr && version->get() == 1) return {};
      return fail(Code::invalid, place(path_, node) + key + ": only version 1 is known");
    }
    const auto* setting = std::find_if(std::begin(settings), std::end(settings),
                                       [&](const Setting& entry) { return entry.key == key; });
    if (setting == std::end(settings))
      return fail(Code::invalid, place(path_, node) + unknown(key));
    const Result<> taken = std::visit(Take{options_, node}, setting->target);
    if (taken) return {};
    return fail(Code::invalid, place(path_, node) + key + ": must be " + taken.error().what);
  }

  const std::string& path_;
  ServeOptions& options_;
};

}  // namespace

Result<ServeOptions> parse_config(std::string_view text, const std::string& path,
                                  ServeOptions defaults) {
  TRY_ASSIGN(const toml::table table, parse_toml(text, path));
  TRY(Reader(path, defaults).read(table, ""));
  return defaults;
}

}  // namespace keyward::gateway
