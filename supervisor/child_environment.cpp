#include "supervisor/child_environment.hpp"

#include <algorithm>
#include <array>

namespace keyward::supervisor {
namespace {

// What a program needs to find its tools, its language and its terminal, and nothing that could
// carry a credential.
constexpr std::array<std::string_view, 12> inherited_names = {"PATH",
                                                              "TERM",
                                                              "LANG",
                                                              "LANGUAGE",
                                                              "TZ",
                                                              "COLORTERM",
                                                              "NO_COLOR",
                                                              "COLUMNS",
                                                              "LINES",
                                                              "CI",
                                                              "DEBIAN_FRONTEND",
                                                              "PYTHONUNBUFFERED"};
constexpr std::string_view default_path =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::string_view no_proxy = "localhost,127.0.0.1,::1,0.0.0.0";

// Variables that replace a program's trust store: they need the whole bundle.
constexpr std::array<std::string_view, 20> bundle_names = {
    "SSL_CERT_FILE",           "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",          "PIP_CERT",
    "CARGO_HTTP_CAINFO",       "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",           "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "NPM_CONFIG_CAFILE",       "YARN_HTTPS_CA_FILE_PATH",
    "NIX_SSL_CERT_FILE",       "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "BUNDLE_SSL_CA_CERT",      "COMPOSER_CAFILE",
    "HTTPLIB2_CA_CERTS",       "PERL_LWP_SSL_CA_FILE",
    "HEX_CACERTS_PATH",        "JULIA_SSL_CA_ROOTS_PATH",
    "SYSTEM_CERTIFICATE_PATH", "CONDA_SSL_VERIFY"};

bool is_inherited(std::string_view name) {
  return name.starts_with("LC_") ||
         std::find(inherited_names.begin(), inherited_names.end(), name) != inherited_names.end();
}

bool is_identifier(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || digit(c); });
}

void add_proxy(EnvironmentMap& variables, std::uint16_t port) {
  const std::string url = "http://127.0.0.1:" + std::to_string(port);
  for (const char* name : {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY",
                           "all_proxy", "FTP_PROXY", "ftp_proxy", "grpc_proxy", "CARGO_HTTP_PROXY",
                           "DOCKER_HTTP_PROXY", "DOCKER_HTTPS_PROXY"})
    variables[name] = url;
  variables["RSYNC_PROXY"] = "127.0.0.1:" + std::to_string(port);
  for (const char* name : {"NO_PROXY", "no_proxy", "no_grpc_proxy"}) variables[name] = no_proxy;
  variables["NODE_USE_ENV_PROXY"] = "1";
  variables["CLOUDSDK_PROXY_TYPE"] = "http";
  variables["CLOUDSDK_PROXY_ADDRESS"] = "127.0.0.1";
  variables["CLOUDSDK_PROXY_PORT"] = std::to_string(port);
}

void add_trust(EnvironmentMap& variables, std::uint16_t port) {
  for (const std::string_view name : bundle_names) variables[std::string(name)] = ca_bundle_path;
  // These two add to the program's own store.
  variables["NODE_EXTRA_CA_CERTS"] = ca_certificate_path;
  variables["DENO_CERT"] = ca_certificate_path;
  variables["UV_SYSTEM_CERTS"] = "true";
  const std::string host = "127.0.0.1", number = std::to_string(port);
  variables["JAVA_TOOL_OPTIONS"] =
      "-Djavax.net.ssl.trustStore=" + std::string(java_trust_store_path) +
      " -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=changeit"
      " -Dhttp.proxyHost=" +
      host + " -Dhttp.proxyPort=" + number + " -Dhttps.proxyHost=" + host +
      " -Dhttps.proxyPort=" + number + " -Dhttp.nonProxyHosts=localhost|127.*";
}

void add_placeholders(EnvironmentMap& variables, const netproxy::Placeholder* placeholder) {
  variables["AWS_EC2_METADATA_DISABLED"] =
      "true";  // the metadata service is never reachable: do not wait for it
  if (placeholder == nullptr) return;
  variables["AWS_ACCESS_KEY_ID"] = placeholder->access_key_id;
  variables["AWS_SECRET_ACCESS_KEY"] = std::string(placeholder->secret_access_key.reveal());
}

Result<> add_requested(EnvironmentMap& variables, const ChildEnvironmentInput& input,
                       const EnvironmentMap& own) {
  for (const std::string& entry : input.requested) {
    const auto equals = entry.find('=');
    const std::string name = entry.substr(0, equals);
    if (!is_identifier(name)) return fail(Code::invalid, "--env " + name + ": not a variable name");
    if (name.starts_with("OPENSHELL_") || name.starts_with("KEYWARD_"))
      return fail(
          Code::invalid,
          "--env " + name + ": reserved names may carry identity and never enter the sandbox");
    if (own.contains(name))
      return fail(Code::invalid, "--env " + name + ": Keyward sets this variable itself");
    if (equals != std::string::npos) {
      variables[name] = entry.substr(equals + 1);
      continue;
    }
    const auto inherited = input.inherited.find(name);
    if (inherited == input.inherited.end())
      return fail(Code::invalid, "--env " + name + ": not set in this environment");
    variables[name] = inherited->second;
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> build_child_environment(const ChildEnvironmentInput& input) {
  EnvironmentMap own;
  add_proxy(own, input.proxy_port);
  add_trust(own, input.proxy_port);
  add_placeholders(own, input.placeholder);
  own["SUPERVISOR_SANDBOX"] = "1";

  EnvironmentMap variables;
  variables["PATH"] = default_path;
  for (const auto& [name, value] : input.inherited)
    if (is_inherited(name)) variables[name] = value;
  for (const char* name : {"USER", "LOGNAME"}) variables[name] = input.user;
  variables["HOME"] = input.home;
  variables["TMPDIR"] = "/tmp";
  for (const auto& [name, value] : input.provided) variables[name] = value;
  TRY(add_requested(variables, input, own));
  for (const auto& [name, value] : own) variables[name] = value;

  std::vector<std::string> result;
  for (const auto& [name, value] : variables) result.push_back(name + "=" + value);
  return result;
}

}  // namespace keyward::supervisor
