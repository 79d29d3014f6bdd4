#include "supervisor/doctor_sandbox.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"
#include "isolation/users.hpp"
#include "supervisor/child_environment.hpp"
#include "supervisor/control_socket.hpp"
#include "supervisor/grant_settings.hpp"
#include "supervisor/lifecycle.hpp"
#include "supervisor/trust.hpp"

namespace keyward::supervisor {
namespace {

void good(Findings& findings, const char* check, std::string detail) {
  findings.push_back({check, Health::good, std::move(detail), ""});
}
void note(Findings& findings, const char* check, std::string detail) {
  findings.push_back({check, Health::note, std::move(detail), ""});
}
void fix(Findings& findings, const char* check, const Error& error) {
  findings.push_back({check, Health::fix, error.what, ""});
}

std::string endpoint_of(const Config& config) {
  const auto found = config.environment.find("OPENSHELL_ENDPOINT");
  return found == config.environment.end() ? std::string() : found->second;
}

void look_at_policy(Config& config, Findings& findings) {
  const bool has_endpoint = !endpoint_of(config).empty();
  if (has_endpoint != config.gateway.has_value()) return;  // what is wrong with it was said
  if (Result<> modes = check_modes(config); !modes) return fix(findings, "policy", modes.error());
  if (has_endpoint) return good(findings, "policy", "the gateway gives it, and the credentials");
  Result<LocalSettings> local = local_settings(config.options);
  if (!local) return fix(findings, "policy", local.error());
  if (!local->has_policy)
    return note(findings, "policy",
                "neither --policy nor OPENSHELL_ENDPOINT: everything would be denied");
  const auto compiled = netproxy::compile(local->policy);
  if (!compiled) return fix(findings, "policy", compiled.error());
  good(findings, "policy", config.options.policy_file + ": " + compiled->hash());
  config.local = std::move(*local);
}

void look_at_names(Config& config, Findings& findings) {
  Result<netproxy::ProxySettings> proxy = proxy_settings(config.options);
  if (!proxy) return fix(findings, "proxy", proxy.error());
  config.proxy = std::move(*proxy);
  const auto trusted = certificates_of(config.proxy.trust_store_pem);
  const std::size_t authorities = trusted ? trusted->size() : 0;
  if (authorities == 0)
    fix(findings, "trust",
        {Code::invalid,
         "no authority is trusted for upstreams: give --upstream-ca FILE, or an "
         "image that has CA certificates"});
  else
    good(findings, "trust", std::to_string(authorities) + " authorities for upstreams");
  if (config.proxy.resolv_conf.find("nameserver") == std::string::npos)
    note(findings, "names",
         "/etc/resolv.conf names no server: only --host-alias and /etc/hosts give addresses");
  else
    good(findings, "names", "/etc/resolv.conf names a server");
}

void look_at_gateway_settings(Config& config, Findings& findings) {
  if (endpoint_of(config).empty()) return;
  Result<GatewaySettings> gateway = gateway_settings(config.environment, config.options.identity);
  if (!gateway) return fix(findings, "gateway", gateway.error());
  config.gateway = std::move(*gateway);
}

// The socket is looked at elsewhere.
void look_at_grant_ranges(const Config& config, Findings& findings) {
  const auto settings = grant_settings(config.options, EnvironmentMap(), config.proxy);
  if (!settings) fix(findings, "grants", settings.error());
}

void look_at_aws_settings(Config& config, const SecretVariables& secrets, Findings& findings) {
  auto sources = aws_source_settings(config.options, config.environment, secrets, config.proxy);
  if (!sources) return fix(findings, "aws", sources.error());
  config.aws = std::move(*sources);
  if (const Result<> apart = check_providers(config); !apart) fix(findings, "aws", apart.error());
}

// A user that nobody has, where the one that is asked for is a running sandbox's.
Result<std::string> free_user() {
  constexpr uid_t first = 59900, last = 59999;
  for (uid_t uid = first; uid <= last; ++uid)
    if (isolation::require_unused(uid)) return std::to_string(uid);
  return fail(Code::unavailable, "no uid from 59900 to 59999 is unused");
}

// The user to build the trial with; empty: there is none.
std::string look_at_user(const Config& config, Findings& findings) {
  const std::string& asked =
      config.options.user.empty() ? config.local.policy.run_as_user : config.options.user;
  Result<std::string> passwd = read_file("/etc/passwd");
  const Result<isolation::User> user = isolation::resolve_user(asked, passwd.value_or(""));
  if (!user) {
    fix(findings, "user", user.error());
    return free_user().value_or("");
  }
  const std::string who = user->name + " (uid " + std::to_string(user->uid) + ", gid " +
                          std::to_string(user->gid) + ")";
  const Result<> unused = isolation::require_unused(user->uid);
  if (unused) {
    good(findings, "user", "the program runs as " + who);
    return asked;
  }
  const auto named = config.environment.find("KEYWARD_CONTROL_SOCKET");
  if (running_supervisors(named == config.environment.end() ? "" : named->second).empty())
    fix(findings, "user", unused.error());
  else
    good(findings, "user", who + " is in use, and a supervisor runs here");
  return free_user().value_or("");
}

// All of start() but execve: what is to be executed does not exist.
Result<> confine_nothing(isolation::Launcher& launcher, const Config& config) {
  isolation::ProgramSpec program;
  program.arguments = {"/.keyward-doctor/executes-nothing"};
  program.filesystem = filesystem_rules(config.local.policy, config.options.directory);
  const Result<> started = launcher.start(program);
  if (started) return fail(Code::internal, "sandbox: something was executed");
  const Error& error = started.error();
  if (error.code == Code::not_found && error.what.starts_with("exec: ")) return {};
  return tl::unexpected(error);
}

// Where start() puts the sandbox's certificate authority.
Result<> check_files_directory() {
  const std::string directory(trust_directory);
  struct stat status{};
  if (::lstat(directory.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return {};
    return fail(Code::invalid, directory + ": is no directory");
  }
  if (::access("/etc", W_OK) == 0) return {};
  return fail(Code::denied, directory + ": is missing and cannot be made; create it in the image");
}

std::string directory_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

void look_at_settings(Config& config, const SecretVariables& secrets, Findings& findings) {
  look_at_gateway_settings(config, findings);
  look_at_policy(config, findings);
  look_at_names(config, findings);
  look_at_grant_ranges(config, findings);
  look_at_aws_settings(config, secrets, findings);
  const Result<> hidden = collect_hidden(config);
  // What is wrong with the agent's endpoint is said where the agent is looked at.
  if (!hidden && identity::find_workload_endpoint(config.environment))
    fix(findings, "hidden", hidden.error());
}

void look_at_sandbox(isolation::Launcher& launcher, const Config& config, Findings& findings) {
  isolation::SandboxSpec spec = sandbox_spec(config);
  spec.user.text = look_at_user(config, findings);
  spec.files_directory.clear();  // it would be made
  Result<isolation::BuiltSandbox> built = launcher.build(spec);
  if (!built) return fix(findings, "sandbox", built.error());
  if (const Result<> confined = confine_nothing(launcher, config); !confined)
    return fix(findings, "sandbox", confined.error());
  good(findings, "sandbox",
       "built and confined as for a run (" + built->evidence["root"] +
           "), without executing anything");
  good(findings, "proxy", "listens inside on 127.0.0.1:" + std::to_string(built->proxy_port));
  if (const Result<> files = check_files_directory(); !files) fix(findings, "files", files.error());
}

void look_at_writing(const Config& config, Findings& findings) {
  const std::string& path = config.options.audit_file.empty() ? std::string(default_audit_file)
                                                              : config.options.audit_file;
  if (path == "-") return good(findings, "audit", "goes to standard error");
  struct stat status{};
  const bool there = ::lstat(path.c_str(), &status) == 0;
  if (there && !S_ISREG(status.st_mode))
    return fix(findings, "audit", {Code::invalid, "--audit-log " + path + ": is no regular file"});
  // Directories that are missing are made.
  std::string place = there ? path : directory_of(path);
  while (!there && place.size() > 1 && ::access(place.c_str(), F_OK) != 0)
    place = directory_of(place);
  if (::access(place.c_str(), W_OK) != 0)
    return fix(findings, "audit",
               {Code::denied, "--audit-log " + path + ": " + place + " is not writable"});
  good(findings, "audit", "goes to " + path);
}

}  // namespace keyward::supervisor
