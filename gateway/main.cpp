// The gateway: mints, refreshes and revokes the identities of sandboxes, and answers each sandbox
// only about itself.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "base/log.hpp"
#include "gateway/certgen.hpp"
#include "gateway/cli/operator_client.hpp"
#include "gateway/serve.hpp"

namespace keyward::gateway {
namespace {

constexpr const char* default_socket = "/run/keyward-gateway/operator.sock";
constexpr const char* footer =
    R"(Exit codes: 0 done, 1 refused or failed (one line says why), 2 wrong usage.

Examples:
  gateway certgen --output-dir /etc/keyward
  gateway serve --tls-dir /etc/keyward --database /var/lib/keyward/gateway.db
  gateway provider create aws prod --from-file credentials.ini --bind s3.example.com:443
  gateway sandbox create demo --policy policy.yaml --provider prod --token-out demo.jwt)";

// What the chosen subcommand does; set by its callback, run after parsing.
using Action = std::function<Result<>()>;

void declare_certgen(CLI::App& app, Action& action) {
  auto options = std::make_shared<CertgenOptions>();
  CLI::App* command =
      app.add_subcommand("certgen", "make the CA, certificates, JWT keys and the store key");
  command
      ->add_option("--output-dir", options->output_directory,
                   "directory for the keys; made if it is missing")
      ->required();
  command->add_option("--server-san", options->server_names,
                      "further name or address of the server (repeatable)");
  command->add_flag("--dry-run", options->dry_run, "say what would be done");
  command->callback([&action, options] {
    action = [options]() -> Result<> {
      TRY_ASSIGN(const auto lines, run_certgen(*options, SystemClock().now()));
      for (const std::string& line : lines) std::printf("%s\n", line.c_str());
      return {};
    };
  });
}

void declare_serve(CLI::App& app, Action& action, const OutputOptions& output) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand("serve", "answer supervisors and operators until TERM");
  command->add_option("--listen", options->listen,
                      "address for supervisors (default: 127.0.0.1:17670)");
  command->add_option("--tls-dir", options->key_directory, "directory that certgen made")
      ->required();
  command->add_flag("--plaintext", options->plaintext, "no TLS; loopback addresses only");
  command->add_flag("--require-client-cert", options->require_client_certificate,
                    "supervisors must show a client certificate of the CA");
  command->add_option("--database", options->database, "SQLite file; made 0600 if it is missing")
      ->required();
  command->add_option("--key-file", options->key_file,
                      "key that seals stored secrets (default: store.key of --tls-dir)");
  command->add_option("--gateway-id", options->gateway_id,
                      "name in the tokens' issuer (default: openshell)");
  command->add_option("--token-ttl", options->token_life_seconds,
                      "life of a sandbox token in seconds (default: 3600)");
  command->add_option("--audit-log", options->audit_file,
                      "file for one JSON line per decision, `-` = standard error");
  command->callback([&action, &output, options] {
    options->operator_socket = output.socket;
    action = [options] { return serve(*options); };
  });
}

void declare_sandbox(CLI::App& app, Action& action, const OutputOptions& output) {
  CLI::App* group =
      app.add_subcommand("sandbox", "create, list, get, delete, token")->require_subcommand(1);
  auto create = std::make_shared<SandboxCreate>();
  CLI::App* command = group->add_subcommand("create", "make a sandbox record");
  command->add_option("name", create->name)->required();
  command->add_option("--policy", create->policy_file,
                      "policy file (docs/POLICY.md); without one everything is denied");
  command->add_option("--provider", create->providers, "provider to attach (repeatable)")
      ->allow_extra_args(false);
  command->add_option("--token-out", create->token_out, "write a token for it to this file, 0600");
  command->callback([&action, &output, create] {
    action = [&output, create] { return sandbox_create(output, *create); };
  });
  group->add_subcommand("list", "all sandboxes")->callback([&action, &output] {
    action = [&output] { return sandbox_list(output); };
  });
  auto name = std::make_shared<std::string>(), out = std::make_shared<std::string>();
  command = group->add_subcommand("get", "one sandbox");
  command->add_option("name", *name)->required();
  command->callback([&action, &output, name] {
    action = [&output, name] { return sandbox_get(output, *name); };
  });
  command = group->add_subcommand("delete", "delete it and revoke all its tokens");
  command->add_option("name", *name)->required();
  command->callback([&action, &output, name] {
    action = [&output, name] { return sandbox_delete(output, *name); };
  });
  command = group->add_subcommand("token", "issue a further token");
  command->add_option("name", *name)->required();
  command->add_option("--out", *out, "write it to this file, 0600, instead of standard output");
  command->callback([&action, &output, name, out] {
    action = [&output, name, out] { return sandbox_token(output, *name, *out); };
  });
}

void declare_provider(CLI::App& app, Action& action, const OutputOptions& output) {
  CLI::App* group =
      app.add_subcommand("provider", "create, list, delete, attach, detach")->require_subcommand(1);
  auto create = std::make_shared<ProviderCreate>();
  CLI::App* command = group->add_subcommand("create", "store credentials, encrypted");
  command->add_option("type", create->type, "aws")->required()->check(CLI::IsMember({"aws"}));
  command->add_option("name", create->name)->required();
  command
      ->add_option("--from-file", create->from_file,
                   "file with the credentials (0600), `-` = standard input")
      ->required();
  command
      ->add_option("--bind", create->bindings,
                   "HOST[:PORT][/PATH] where they may be used (repeatable)")
      ->allow_extra_args(false);
  command
      ->add_option("--config", create->config,
                   "NAME=VALUE that is not secret, such as AWS_REGION (repeatable)")
      ->allow_extra_args(false);
  command->callback([&action, &output, create] {
    action = [&output, create] { return provider_create(output, *create); };
  });
  group->add_subcommand("list", "all providers, without secrets")->callback([&action, &output] {
    action = [&output] { return provider_list(output); };
  });
  auto name = std::make_shared<std::string>(), sandbox = std::make_shared<std::string>();
  command = group->add_subcommand("delete", "delete a provider that is attached nowhere");
  command->add_option("name", *name)->required();
  command->callback([&action, &output, name] {
    action = [&output, name] { return provider_delete(output, *name); };
  });
  const std::pair<const char*, decltype(&provider_attach)> changes[] = {
      {"attach", provider_attach}, {"detach", provider_detach}};
  for (const auto& [verb, change] : changes) {
    command = group->add_subcommand(verb, std::string(verb) + " SANDBOX PROVIDER");
    command->add_option("sandbox", *sandbox)->required();
    command->add_option("provider", *name)->required();
    command->callback([&action, &output, sandbox, name, change = change] {
      action = [&output, sandbox, name, change] { return change(output, *sandbox, *name); };
    });
  }
}

int run(int argc, char** argv) {
  CLI::App app(
      "Keyward gateway: the authority that gives sandboxes their identity, policy and credentials.",
      "gateway");
  app.set_version_flag("--version", std::string("gateway ") + KEYWARD_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(footer);
  OutputOptions output{default_socket, false};
  app.add_option("--operator-socket", output.socket,
                 "socket of the running gateway (default: " + output.socket + ")");
  app.add_flag("--json", output.json, "print JSON");
  Action action;
  declare_certgen(app, action);
  declare_serve(app, action, output);
  declare_sandbox(app, action, output);
  declare_provider(app, action, output);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  log::set_program("gateway");
  const Result<> done = action();
  if (done) return 0;
  std::fprintf(stderr, "gateway: %s\n", done.error().what.c_str());
  return 1;
}

}  // namespace
}  // namespace keyward::gateway

int main(int argc, char** argv) {
  try {
    return keyward::gateway::run(argc, argv);
  } catch (const std::exception& error) {  // of a library: nothing of ours throws
    std::fprintf(stderr, "gateway: unexpected failure: %s\n", error.what());
    return 1;
  }
}
