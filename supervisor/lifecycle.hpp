#pragma once
// The life of the child: main → fork_launcher → build_sandbox → start_identity → start_proxy →
// lock_down → go → wait_for_end.  One function per step; main.cpp tells the story.

#include <memory>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "isolation/sandbox.hpp"
#include "netproxy/io/proxy.hpp"
#include "netproxy/tls/authority.hpp"
#include "supervisor/config.hpp"
#include "supervisor/identity.hpp"

namespace keyward::supervisor {

isolation::SandboxSpec sandbox_spec(const Config& config);
// `directory`: --workdir.
isolation::FilesystemRules filesystem_rules(const netproxy::PolicyModel& policy,
                                            const std::string& directory);

Result<isolation::BuiltSandbox> build_sandbox(isolation::Launcher& launcher, const Config& config);

// The proxy and what it owns; threads run from here on.
struct RunningProxy {
  std::unique_ptr<netproxy::CertificateAuthority> authority;
  std::unique_ptr<netproxy::ClientIdentity> client_identity;
  std::unique_ptr<netproxy::Proxy> proxy;  // last: it uses the others
};
Result<RunningProxy> start_proxy(const Config& config, isolation::BuiltSandbox& sandbox,
                                 const Identity& identity, const Clock& clock);

// Gives the child its environment and its trust store, and lets it start.
struct Go {
  const Config& config;
  const isolation::BuiltSandbox& sandbox;
  const Identity& identity;
  const RunningProxy& proxy;
};
Result<> go(isolation::Launcher& launcher, const Go& parts);

// Forwards signals until the program has ended; TERM gives it config.options.grace_seconds, then
// everything is killed, and a second TERM does so at once.
Result<isolation::Exit> wait_for_end(isolation::Launcher& launcher, const UniqueFd& signals,
                                     const Config& config);

}  // namespace keyward::supervisor
