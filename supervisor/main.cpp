// The supervisor: a container's entrypoint that holds the keys so that the program it starts does
// not.

#include <sys/stat.h>

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/environment.hpp"
#include "base/log.hpp"
#include "isolation/sandbox.hpp"
#include "supervisor/config.hpp"
#include "supervisor/debug_rpc.hpp"
#include "supervisor/doctor.hpp"
#include "supervisor/lifecycle.hpp"
#include "supervisor/options.hpp"
#include "supervisor/signals.hpp"

namespace keyward::supervisor {
namespace {

constexpr int own_failure =
    125;  // of Keyward, not of the program: documented in --help and the man page

// The life of the child, from top to bottom.  Until `go` succeeds nothing of the sandbox has been
// executed.
Result<int> run_sandbox(RunOptions options) {
  ::umask(077);
  TRY_ASSIGN(
      const auto launcher,
      isolation::fork_launcher(secret_variables(options)));  // one thread, no secret read yet
  TRY_ASSIGN(const UniqueFd signals, take_signals());
  SecretVariables secrets = take_secret_variables(secret_variables(options));
  TRY_ASSIGN(Config config, load_config(std::move(options), environment_map(), secrets));

  const SystemClock clock;
  TRY_ASSIGN(isolation::BuiltSandbox sandbox, build_sandbox(*launcher, config));
  TRY(isolation::drop_broker_capabilities());  // before the first thread: capabilities belong to
                                               // threads
  TRY_ASSIGN(const auto identity,
             start_identity(config, std::move(config.local), std::move(secrets), clock));
  TRY_ASSIGN(const RunningProxy proxy, start_proxy(config, sandbox, *identity, clock));
  TRY(isolation::lock_down());
  TRY(go(*launcher, {config, sandbox, *identity, proxy}));
  TRY_ASSIGN(const isolation::Exit end, wait_for_end(*launcher, signals, config));
  if (identity->session) identity->session->report_exit(end.code);
  return end.code;
}

int report(const Error& error) {
  std::fprintf(stderr, "supervisor: %s\n", error.what.c_str());
  return isolation::exit_code_of(error);
}

int run(const std::vector<std::string>& arguments) {
  Result<Options> options = parse_options(arguments);
  if (!options && is_debug_rpc(arguments)) return debug_rpc_failure(options.error());
  if (!options) {
    std::fprintf(stderr, "supervisor: %s\n", options.error().what.c_str());
    return own_failure;
  }
  log::set_program("supervisor");
  log::set_level(options->log_level);
  if (const auto* answer = std::get_if<Answer>(&options->action)) {
    std::fputs(answer->text.c_str(), stdout);
    return 0;
  }
  if (const auto* debug = std::get_if<DebugRpcOptions>(&options->action)) return debug_rpc(*debug);
  if (const auto* looks = std::get_if<DoctorOptions>(&options->action)) return doctor(*looks);
  const Result<int> code = run_sandbox(std::get<RunOptions>(std::move(options->action)));
  return code ? *code : report(code.error());
}

}  // namespace
}  // namespace keyward::supervisor

int main(int argc, char** argv) {
  try {
    return keyward::supervisor::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {  // of a library: nothing of ours throws
    std::fprintf(stderr, "supervisor: unexpected failure: %s\n", error.what());
    const bool debug = argc > 1 && std::string_view(argv[1]) == "debug-rpc";
    return debug ? keyward::grpc_code(keyward::Code::internal) : keyward::supervisor::own_failure;
  }
}
