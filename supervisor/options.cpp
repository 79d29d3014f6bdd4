#include "supervisor/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <map>

namespace keyward::supervisor {
namespace {

constexpr const char* about =
    "Keyward supervisor: runs an untrusted program in a sandbox that holds no credential, and "
    "signs what the policy allows.";

constexpr const char* run_footer = R"(Modes:
  local     --policy F without OPENSHELL_ENDPOINT; credentials from --local-credentials (for development)
  gateway   OPENSHELL_ENDPOINT is set; policy and credentials come from the gateway, and a token is mandatory
  neither   everything is denied
In both, --aws-credentials adds AWS keys that the supervisor gets itself.

Environment (gateway mode; removed from the sandbox's environment):
  OPENSHELL_ENDPOINT            https://HOST:PORT, or http:// where HOST is a loopback address
  OPENSHELL_TLS_CA              the CA of the gateway; OPENSHELL_TLS_CERT and OPENSHELL_TLS_KEY: a client certificate
  OPENSHELL_SANDBOX_TOKEN_FILE  file with the sandbox's token; or OPENSHELL_SANDBOX_TOKEN: the token itself
  OPENSHELL_PROVIDER_SPIFFE_WORKLOAD_API_SOCKET
                                the SPIFFE Workload API, a unix socket; else SPIFFE_ENDPOINT_SOCKET
  KEYWARD_SPIFFE_ID, KEYWARD_GRANT_ASSERTION_FILE, KEYWARD_GATEWAY_CLIENT_IDENTITY, KEYWARD_GATEWAY_SPIFFE_ID
                                in place of the options of these names

Exit codes:
  N    the program's own          126  it is not executable       78   an isolation layer that was asked for is missing
  128+N  it died of signal N      127  it was not found           125  Keyward's own failure; nothing was started

Examples:
  supervisor run --policy policy.yaml -- curl https://api.example.com/
  supervisor run --policy policy.yaml --aws-credentials data=web-identity \
    --aws-bind data=s3.eu-central-1.amazonaws.com:443/my-bucket/** -- aws s3 ls s3://my-bucket
  OPENSHELL_ENDPOINT=https://gateway:17670 OPENSHELL_TLS_CA=ca.crt \
    OPENSHELL_SANDBOX_TOKEN_FILE=/etc/openshell/auth/sandbox.jwt supervisor -- /usr/bin/agent)";

constexpr const char* debug_footer =
    R"(Exit codes are gRPC codes: 0 ok, 3 bad option or setting, 5 not found, 7 permission denied (another sandbox),
14 gateway unreachable, 16 unauthenticated or a token that is not valid.  The running supervisor is asked over its
control socket; where none runs, the token of the environment or of the token file is used.  show-principal and
show-token never ask the gateway for a token.

Example:
  curl -fsS https://keys.example.com/.well-known/jwks.json | supervisor debug-rpc show-principal --verify --jwks -)";

constexpr const char* doctor_footer =
    R"(Give it the options and the environment of the run.  It builds and confines a sandbox as the run does, executes nothing
in it, and asks the gateway, the SPIFFE agent and the sources of --aws-credentials; it exchanges and refreshes no token.

Exit codes:
  0  nothing to fix           1  something to fix           125  an option that is not understood

Example:
  docker exec CONTAINER supervisor doctor --user agent)";

const std::map<std::string, isolation::Level> levels = {
    {"strict", isolation::Level::strict},
    {"standard", isolation::Level::standard},
    {"no-namespace", isolation::Level::no_namespace},
    {"same-uid", isolation::Level::same_uid}};
const std::map<std::string, ClientIdentity> client_identities = {
    {"files", ClientIdentity::files}, {"spiffe", ClientIdentity::spiffe}};
const std::map<std::string, log::Level> log_levels = {{"debug", log::Level::debug},
                                                      {"info", log::Level::info},
                                                      {"warn", log::Level::warn},
                                                      {"error", log::Level::error}};

void declare_sandbox_options(CLI::App& run, RunOptions& options) {
  run.add_option(
      "--user", options.user,
      "NAME|UID[:GID] of the program (default: `sandbox` of the image, else uid and gid 59123)");
  run.add_option("--hide", options.hidden,
                 "path whose directory the program must not see (repeatable); it must exist")
      ->allow_extra_args(false);
  run.add_option("--level", options.level,
                 "strict | standard | no-namespace | same-uid (default: strict)")
      ->transform(CLI::CheckedTransformer(levels));
  run.add_option("--workdir,-w", options.directory,
                 "directory that the program starts in (default: its home)");
  run.add_option("--hostname", options.hostname, "hostname inside (default: sandbox)");
  run.add_option("--env,-e", options.environment,
                 "NAME=VALUE for the program, or NAME to pass it on (repeatable)")
      ->allow_extra_args(false);
  run.add_option("--grace", options.grace_seconds, "seconds between TERM and KILL (default: 10)")
      ->check(CLI::Range(0, 3600));
}

void declare_proxy_options(CLI::App& run, RunOptions& options) {
  run.add_option("--policy", options.policy_file, "policy file of local mode (docs/POLICY.md)");
  run.add_option("--local-credentials", options.local_credentials_file,
                 "credentials of local mode: a TOML file that only root can read");
  run.add_option("--host-alias", options.host_aliases,
                 "NAME=IP for upstream names without DNS (repeatable)")
      ->allow_extra_args(false);
  auto* adds = run.add_option("--upstream-ca", options.upstream_ca_file,
                              "PEM file added to the upstreams' trust store");
  run.add_option("--upstream-ca-only", options.upstream_ca_only_file,
                 "PEM file that replaces the trust store")
      ->excludes(adds);
  run.add_option("--audit-log", options.audit_file,
                 "file for one JSON line per decision, `-` = standard error (default: "
                 "/var/log/keyward/audit.jsonl)");
  run.add_option("--proxy-port", options.proxy_port,
                 "port of the proxy inside the sandbox (default: 3128)")
      ->check(CLI::Range(1, 65535));
  run.add_option("--proxy-threads", options.proxy_threads, "threads of the proxy (default: 2)")
      ->check(CLI::Range(1, 64));
}

// The variables are for debug-rpc too, which finds them where the supervisor was started.
void declare_identity_options(CLI::App& command, IdentityOptions& options) {
  command
      .add_option("--spiffe-id", options.spiffe_id,
                  "this supervisor's identity at the Workload API (default: the only one that it "
                  "has for it)")
      ->envname("KEYWARD_SPIFFE_ID");
  command
      .add_option(
          "--gateway-client-identity", options.client,
          "files | spiffe: what is presented to the gateway: OPENSHELL_TLS_CERT, where it is "
          "set, or the X.509-SVID of the Workload API (default: files)")
      ->transform(CLI::CheckedTransformer(client_identities))
      ->envname("KEYWARD_GATEWAY_CLIENT_IDENTITY");
  command
      .add_option(
          "--gateway-spiffe-id", options.gateway_spiffe_id,
          "the gateway's SPIFFE ID: its certificate must be that identity's X.509-SVID, "
          "checked by the Workload API's bundles, in place of OPENSHELL_TLS_CA and its name")
      ->envname("KEYWARD_GATEWAY_SPIFFE_ID");
}

void declare_grant_options(CLI::App& run, RunOptions& options) {
  run.add_option("--grant-range", options.grant_ranges,
                 "where token endpoints may be besides public addresses: an address range, "
                 "`loopback`, or `cluster` for http to NAME.NAMESPACE.svc (repeatable)")
      ->allow_extra_args(false);
  run.add_option("--grant-pin", options.grant_pins,
                 "HOST[:PORT]=sha256/BASE64: a key that a token endpoint's verified chain must "
                 "have, by its SubjectPublicKeyInfo; one of several for one server is enough "
                 "(repeatable)")
      ->allow_extra_args(false);
  run.add_option("--grant-assertion-file", options.assertion_files,
                 "AUDIENCE=PATH of a projected ServiceAccount token that token grants present for "
                 "this audience; the program does not see its directory (repeatable)")
      ->allow_extra_args(false)
      ->envname("KEYWARD_GRANT_ASSERTION_FILE");
}

void declare_aws_options(CLI::App& run, RunOptions& options) {
  run.add_option("--aws-credentials", options.aws_sources,
                 "NAME=SOURCE: AWS keys that the supervisor gets itself and keeps fresh, as the "
                 "provider NAME; SOURCE is chain | environment | profile:PROFILE | web-identity | "
                 "container | imds, of the AWS SDKs' standard chain; nothing is looked up without "
                 "this option (repeatable)")
      ->allow_extra_args(false);
  run.add_option("--aws-bind", options.aws_bindings,
                 "NAME=HOST[:PORT][/PATH]: where the keys of --aws-credentials NAME=… may be used "
                 "(repeatable)")
      ->allow_extra_args(false);
}

CLI::App* declare_run(CLI::App& app, RunOptions& options) {
  CLI::App* run =
      app.add_subcommand("run", "start the sandbox and run a program in it (the default)");
  declare_sandbox_options(*run, options);
  declare_proxy_options(*run, options);
  declare_aws_options(*run, options);
  declare_grant_options(*run, options);
  declare_identity_options(*run, options.identity);
  run->add_option("command", options.command, "the program and its arguments, after `--`");
  run->positionals_at_end();
  run->footer(run_footer);
  return run;
}

// The options of a run, but for its program.
CLI::App* declare_doctor(CLI::App& app, DoctorOptions& options) {
  CLI::App* doctor = app.add_subcommand(
      "doctor", "say what of a run works and what to fix, without starting anything");
  declare_sandbox_options(*doctor, options.run);
  declare_proxy_options(*doctor, options.run);
  declare_aws_options(*doctor, options.run);
  declare_grant_options(*doctor, options.run);
  declare_identity_options(*doctor, options.run.identity);
  doctor->add_flag("--json", options.json, "print one JSON object");
  doctor->footer(doctor_footer);
  return doctor;
}

void declare_verification(CLI::App& command, DebugRpcOptions& options) {
  auto* verify = command.add_flag(
      "--verify", options.verify,
      "check the token's signature and claims; without it the signature is not checked");
  auto* jwks = command.add_option(
      "--jwks", options.jwks,
      "the gateway's key set (JWKS) to check against: a file, `-` = standard input");
  verify->needs(jwks);
  jwks->needs(verify);
}

CLI::App* declare_debug_rpc(CLI::App& app, DebugRpcOptions& options) {
  CLI::App* debug = app.add_subcommand(
      "debug-rpc", "ask the running supervisor or the gateway about this sandbox's identity");
  debug->require_subcommand(1);
  const std::array<std::pair<const char*, const char*>, 5> commands = {
      {{"show-principal", "the claims of the current token"},
       {"show-token", "the current token's fingerprint and expiry"},
       {"refresh", "refresh the token now"},
       {"get-sandbox-config", "ask the gateway for a sandbox's configuration"},
       {"metrics", "what the running supervisor has counted, in Prometheus' text format"}}};
  for (const auto& [name, help] : commands) {
    CLI::App* command = debug->add_subcommand(name, help);
    command->add_flag("--json", options.json,
                      "print one JSON object, also of a failure: {\"code\":…, \"error\":…}");
    command->add_option("--socket", options.socket, "control socket of the supervisor to ask");
    declare_identity_options(*command, options.identity);
    if (std::string_view(name) == "show-token")
      command->add_flag("--raw", options.raw, "print the token itself");
    if (std::string_view(name) == "show-principal") declare_verification(*command, options);
    if (std::string_view(name) == "get-sandbox-config")
      command->add_option("--sandbox-id", options.sandbox_id, "id of the sandbox to ask about")
          ->required();
    command->callback([&options, name = std::string(name)] { options.command = name; });
  }
  debug->footer(debug_footer);
  return debug;
}

// The implied subcommand: everything before the program belongs to `run`.
std::vector<std::string> with_subcommand(std::vector<std::string> arguments) {
  const std::array<std::string_view, 7> known = {"run", "debug-rpc", "doctor", "--help",
                                                 "-h",  "--version", "help"};
  if (arguments.empty()) arguments.emplace_back("--help");
  if (arguments[0] == "help") arguments[0] = "--help";
  if (std::find(known.begin(), known.end(), arguments[0]) == known.end())
    arguments.insert(arguments.begin(), "run");
  return arguments;
}

// The words before the first `--`, and from it on.
struct SplitWords {
  explicit SplitWords(const std::vector<std::string>& words)
      : own(words.begin(), std::find(words.begin(), words.end(), "--")),
        rest(words.begin() + static_cast<std::ptrdiff_t>(own.size()), words.end()) {}
  std::vector<std::string> own, rest;
};

// The program gets its words as they stand.  CLI11 has seen none of those after `--`, and has taken
// a word such as `[1, 2]` before it apart as a list.
Result<> take_program(RunOptions& options, const SplitWords& words) {
  std::vector<std::string>& command = options.command;
  const bool whole = command.size() <= words.own.size() &&
                     std::equal(command.rbegin(), command.rend(), words.own.rbegin());
  if (!whole)
    return fail(Code::invalid, "run: put `--` before the program: an argument looks like a list");
  const auto first = words.rest.begin() + (command.empty() && !words.rest.empty() ? 1 : 0);
  command.insert(command.end(), first, words.rest.end());
  return {};
}

// What each subcommand is told.
struct Told {
  RunOptions run;
  DebugRpcOptions debug;
  DoctorOptions doctor;
};

Result<Options> finish(Options options, const CLI::App& app, const SplitWords& words, Told told) {
  if (!app.got_subcommand("run")) {
    if (!words.rest.empty()) return fail(Code::invalid, "`--` is for programs to run");
    if (app.got_subcommand("doctor"))
      options.action = std::move(told.doctor);
    else
      options.action = std::move(told.debug);
    return options;
  }
  TRY(take_program(told.run, words));
  if (told.run.command.empty())
    return fail(Code::invalid,
                "run: no program given: supervisor run [OPTIONS] -- PROGRAM [ARGUMENT...]");
  if (told.run.proxy_threads == 0) told.run.proxy_threads = 1;
  options.action = std::move(told.run);
  return options;
}

}  // namespace

Result<Options> parse_options(const std::vector<std::string>& arguments) {
  Options options;
  Told told;
  CLI::App app(about, "supervisor");
  app.set_version_flag("--version", KEYWARD_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--log-level", options.log_level, "debug | info | warn | error (default: warn)")
      ->transform(CLI::CheckedTransformer(log_levels))
      ->envname("OPENSHELL_LOG_LEVEL");
  const CLI::App* run = declare_run(app, told.run);
  declare_debug_rpc(app, told.debug);
  const CLI::App* doctor = declare_doctor(app, told.doctor);

  const SplitWords words(with_subcommand(arguments));
  std::vector<std::string> reversed(words.own.rbegin(), words.own.rend());  // as CLI11 takes them
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    options.action = Answer{run->parsed()      ? run->help()
                            : doctor->parsed() ? doctor->help()
                                               : app.help()};
    return options;
  } catch (const CLI::CallForAllHelp&) {
    options.action = Answer{app.help("", CLI::AppFormatMode::All)};
    return options;
  } catch (const CLI::CallForVersion&) {
    options.action = Answer{std::string("supervisor ") + KEYWARD_VERSION + "\n"};
    return options;
  } catch (const CLI::ParseError& error) {
    return fail(Code::invalid, std::string(error.what()) + " (see supervisor --help)");
  }
  return finish(std::move(options), app, words, std::move(told));
}

}  // namespace keyward::supervisor
