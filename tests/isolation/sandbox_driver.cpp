// Runs a program in a sandbox without any proxy or identity: what isolation alone does.  Options:
// --hide PATH, --user SPEC,
// --stop-before build|start (waits for a line on standard input first, so that a test can kill it
// there).

#include <poll.h>

#include <cstdio>
#include <string>

#include "isolation/sandbox.hpp"

using namespace keyward;
using namespace keyward::isolation;

namespace {

struct DriverOptions {
  SandboxSpec sandbox;
  ProgramSpec program;
  std::string stop_before;
};

DriverOptions parse(int argc, char** argv) {
  DriverOptions options;
  options.sandbox.files_directory = "/etc/openshell-tls";
  options.program.environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp/home"};
  options.program.files = {{"/etc/openshell-tls/ca.pem", "certificate\n"}};
  int i = 1;
  for (; i + 1 < argc && std::string(argv[i]) != "--"; i += 2) {
    const std::string name = argv[i];
    if (name == "--hide") options.sandbox.hidden.emplace_back(argv[i + 1]);
    if (name == "--user") options.sandbox.user.text = argv[i + 1];
    if (name == "--stop-before") options.stop_before = argv[i + 1];
  }
  for (++i; i < argc; ++i) options.program.arguments.emplace_back(argv[i]);
  return options;
}

void wait_for_line(const DriverOptions& options, const std::string& step) {
  if (options.stop_before != step) return;
  std::printf("before %s\n", step.c_str());
  std::fflush(stdout);
  while (std::getchar() != '\n') {
  }
}

Result<int> run(const DriverOptions& options) {
  TRY_ASSIGN(const auto launcher, fork_launcher({"CANARY_TOKEN"}));
  wait_for_line(options, "build");
  TRY_ASSIGN(const BuiltSandbox built, launcher->build(options.sandbox));
  TRY(drop_broker_capabilities());
  TRY(lock_down());
  wait_for_line(options, "start");
  TRY(launcher->start(options.program));
  TRY_ASSIGN(const Exit end, launcher->wait());
  return end.code;
}

}  // namespace

int main(int argc, char** argv) {
  const Result<int> code = run(parse(argc, argv));
  if (code) return *code;
  std::fprintf(stderr, "driver: %s\n", code.error().what.c_str());
  return exit_code_of(code.error());
}
