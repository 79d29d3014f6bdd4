#include "supervisor/lifecycle.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "base/log.hpp"
#include "isolation/peer_process.hpp"
#include "supervisor/child_environment.hpp"
#include "supervisor/signals.hpp"
#include "supervisor/trust.hpp"

namespace keyward::supervisor {
namespace {

using SteadyClock = std::chrono::steady_clock;

// The proxy asks by ports; isolation knows whose socket that is.
class SandboxClients final : public netproxy::ClientIdentity {
 public:
  explicit SandboxClients(UniqueFd queries) : peers_(std::move(queries)) {}
  Result<std::vector<std::string>> executables(std::uint16_t client_port,
                                               std::uint16_t proxy_port) override {
    return peers_.executables(client_port, proxy_port);
  }

 private:
  isolation::PeerProcesses peers_;
};

// The time between TERM and KILL.
struct Grace {
  bool running = false;
  SteadyClock::time_point end;

  bool over() const { return running && SteadyClock::now() >= end; }
  // How long poll may wait: forever, or until the period ends.
  int milliseconds_left() const {
    if (!running) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - SteadyClock::now());
    return static_cast<int>(std::max<std::int64_t>(0, left.count()));
  }
};

// The sandbox is built before a gateway is asked, so a policy that wants another user is refused,
// never ignored.
Result<> check_user(const netproxy::PolicyModel& policy, const isolation::BuiltSandbox& sandbox) {
  const std::string& user = policy.run_as_user;
  const std::string& group = policy.run_as_group;
  if (!user.empty() && user != sandbox.user && user != std::to_string(sandbox.uid))
    return fail(Code::invalid,
                "policy: process.run_as_user is " + user + "; start with --user " + user);
  if (!group.empty() && group != sandbox.user && group != std::to_string(sandbox.gid))
    return fail(Code::invalid, "policy: process.run_as_group is " + group + "; start with --user " +
                                   (user.empty() ? sandbox.user : user) + ":GID of that group");
  return {};
}

}  // namespace

isolation::FilesystemRules filesystem_rules(const netproxy::PolicyModel& policy,
                                            const std::string& directory) {
  isolation::FilesystemRules rules{policy.filesystem.read_only, policy.filesystem.read_write,
                                   policy.landlock_best_effort};
  if (policy.filesystem.include_workdir && !directory.empty())
    rules.read_write.push_back(directory);
  return rules;
}

isolation::SandboxSpec sandbox_spec(const Config& config) {
  isolation::SandboxSpec spec;
  spec.level = config.options.level;
  // Local mode knows the policy already; a gateway's policy is held against the user in go().
  spec.user.text =
      config.options.user.empty() ? config.local.policy.run_as_user : config.options.user;
  spec.hidden = config.hidden;
  spec.hidden_if_present = config.hidden_if_present;
  spec.proxy_port = config.options.proxy_port;
  spec.hostname = config.options.hostname;
  spec.files_directory = trust_directory;
  return spec;
}

Result<isolation::BuiltSandbox> build_sandbox(isolation::Launcher& launcher, const Config& config) {
  return launcher.build(sandbox_spec(config));
}

Result<RunningProxy> start_proxy(const Config& config, isolation::BuiltSandbox& sandbox,
                                 const Identity& identity, const Clock& clock) {
  RunningProxy running;
  TRY_ASSIGN(running.authority, netproxy::CertificateAuthority::create(clock));
  running.client_identity = std::make_unique<SandboxClients>(std::move(sandbox.peer_queries));
  TRY_ASSIGN(running.proxy,
             netproxy::Proxy::start(std::move(sandbox.listener), config.proxy,
                                    {identity.policy, identity.credentials.shown(),
                                     identity.placeholder, *running.authority, *identity.audit,
                                     *running.client_identity, clock, identity.grants.get()}));
  return running;
}

Result<> go(isolation::Launcher& launcher, const Go& parts) {
  TRY(check_user(parts.identity.initial_policy, parts.sandbox));
  isolation::ProgramSpec program;
  program.arguments = parts.config.options.command;
  TRY_ASSIGN(
      program.environment,
      build_child_environment(
          {parts.config.environment, parts.config.options.environment, parts.identity.provided,
           parts.identity.gives_placeholder ? &parts.identity.placeholder : nullptr,
           parts.sandbox.user, parts.sandbox.home, parts.sandbox.proxy_port}));
  const std::string& directory = parts.config.options.directory;
  program.directory = directory.empty() ? parts.sandbox.home : directory;
  TRY_ASSIGN(program.files, trust_files(parts.proxy.authority->certificate_pem(),
                                        parts.config.proxy.trust_store_pem));
  program.filesystem =
      filesystem_rules(parts.identity.initial_policy, parts.config.options.directory);
  return launcher.start(program);
}

Result<isolation::Exit> wait_for_end(isolation::Launcher& launcher, const UniqueFd& signals,
                                     const Config& config) {
  Grace grace;
  for (;;) {
    pollfd waiting[] = {{launcher.event_fd(), POLLIN, 0}, {signals.get(), POLLIN, 0}};
    if (::poll(waiting, 2, grace.milliseconds_left()) < 0 && errno != EINTR)
      return fail_errno("supervisor: poll");
    if (waiting[0].revents != 0) return launcher.wait();
    if (grace.over()) {
      log::warn("grace_ended", {{"action", "kill"}});
      launcher.kill();
      grace.running = false;
    }
    TRY_ASSIGN(const int number, next_signal(signals));
    if (number == 0) continue;
    if (number == SIGCHLD) {
      reap_strays(launcher.pid());
      continue;
    }
    if (number == SIGTERM) {
      const std::chrono::seconds period(grace.running ? 0 : config.options.grace_seconds);
      grace = {true, SteadyClock::now() + period};
    }
    TRY(launcher.signal(number));
  }
}

}  // namespace keyward::supervisor
