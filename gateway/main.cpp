// The gateway: the authority over sandboxes' identities, policies and credentials.

#include <unistd.h>

#include <cstdio>
#include <exception>

#include "gateway/cli/commands.hpp"
#include "gateway/serve.hpp"

namespace keyward::gateway {
namespace {

Result<> run_certgen(const CertgenOptions& options) {
  TRY_ASSIGN(const auto lines, generate_files(options, SystemClock().now()));
  for (const std::string& line : lines) std::printf("%s\n", line.c_str());
  return {};
}

Result<> run_certgen(const ManifestOptions& options) {
  if (!options.dry_run && !options.force_terminal && ::isatty(STDOUT_FILENO) == 1)
    return fail(Code::denied,
                "certgen: standard output is a terminal and would show private keys; pipe it to "
                "kubectl apply -f -, or use --force-terminal");
  TRY_ASSIGN(const Secret text, make_manifests(options, SystemClock().now()));
  std::setvbuf(stdout, nullptr, _IONBF, 0);  // no copy of the keys in a buffer
  if (std::fwrite(text.reveal().data(), 1, text.size(), stdout) != text.size())
    return fail_errno("standard output");
  return {};
}

Result<> run_health(OperatorClient& client) {
  TRY(client.sandboxes());
  std::puts("ok");
  return {};
}

Result<> run(const Options& options) {
  if (const auto* answer = std::get_if<Answer>(&options.action)) {
    std::fputs(answer->text.c_str(), stdout);
    return {};
  }
  if (const auto* command = std::get_if<ServeOptions>(&options.action))
    return serve(*command, options.operator_socket);
  if (const auto* command = std::get_if<CertgenOptions>(&options.action))
    return run_certgen(*command);
  if (const auto* command = std::get_if<ManifestOptions>(&options.action))
    return run_certgen(*command);
  if (const auto* command = std::get_if<KeysCommand>(&options.action))
    return run_keys_command(*command, options.json);
  if (const auto* command = std::get_if<DraftCommand>(&options.action)) {
    TRY_ASSIGN(const auto client, ReviewClient::connect(options.operator_socket));
    return run_draft_command(*client, *command, options.json);
  }
  if (const auto* command = std::get_if<ProfileCommand>(&options.action)) {
    TRY_ASSIGN(const auto client, ReviewClient::connect(options.operator_socket));
    return run_profile_command(*client, *command, options.json);
  }
  TRY_ASSIGN(const auto client, OperatorClient::connect(options.operator_socket));
  if (const auto* command = std::get_if<SandboxCommand>(&options.action))
    return run_sandbox_command(*client, *command, options.json);
  if (const auto* command = std::get_if<PolicyCommand>(&options.action))
    return run_policy_command(*client, *command, options.json);
  if (const auto* command = std::get_if<ProviderCommand>(&options.action))
    return run_provider_command(*client, *command, options.json);
  return run_health(*client);
}

int report(const Error& error) {
  std::fprintf(stderr, "gateway: %s\n", error.what.c_str());
  return grpc_code(error.code);
}

int start(const std::vector<std::string>& arguments) {
  const Result<Options> options = parse_options(arguments);
  if (!options) return report(options.error());
  log::set_program("gateway");
  log::set_level(options->log_level);
  const Result<> done = run(*options);
  return done ? 0 : report(done.error());
}

}  // namespace
}  // namespace keyward::gateway

int main(int argc, char** argv) {
  try {
    return keyward::gateway::start({argv + 1, argv + argc});
  } catch (const std::exception& error) {  // of a library: nothing of ours throws
    std::fprintf(stderr, "gateway: unexpected failure: %s\n", error.what());
    return keyward::grpc_code(keyward::Code::internal);
  }
}
