#pragma once
// What the command line asks for.  Each option is declared once (options.cpp): name, target and
// help stand together and drive the parser, `--help` and the completions.

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "isolation/sandbox.hpp"

namespace keyward::supervisor {

enum class ClientIdentity { files, spiffe };

// What the supervisor is to the gateway and to a SPIFFE agent.
struct IdentityOptions {
  std::string spiffe_id;  // of this supervisor's SVIDs; empty: the only one that the agent has
  ClientIdentity client = ClientIdentity::files;  // of the channel to the gateway
  std::string gateway_spiffe_id;                  // empty: the gateway is known by its name
};

struct RunOptions {
  IdentityOptions identity;
  std::string policy_file;                   // local mode, unless an endpoint is set
  std::string local_credentials_file;        // local mode only
  std::vector<std::string> aws_sources;      // --aws-credentials NAME=SOURCE
  std::vector<std::string> aws_bindings;     // --aws-bind NAME=HOST[:PORT][/PATH]
  std::vector<std::string> host_aliases;     // NAME=IP
  std::string upstream_ca_file;              // adds to the trust store
  std::string upstream_ca_only_file;         // replaces it
  std::vector<std::string> hidden;           // --hide
  std::vector<std::string> grant_ranges;     // --grant-range RANGE|loopback|cluster
  std::vector<std::string> grant_pins;       // --grant-pin HOST[:PORT]=sha256/BASE64
  std::vector<std::string> assertion_files;  // --grant-assertion-file AUDIENCE=PATH
  std::string user;                          // NAME|UID[:GID]
  isolation::Level level = isolation::Level::strict;
  std::string directory;  // --workdir
  std::string hostname = "sandbox";
  std::vector<std::string> environment;  // --env NAME or NAME=VALUE
  std::string audit_file;                // "-" = standard error
  std::uint16_t proxy_port = 3128;       // inside the sandbox
  unsigned proxy_threads = 2;
  unsigned grace_seconds = 10;  // between TERM and KILL
  std::vector<std::string> command;
};

struct DebugRpcOptions {
  std::string command;     // show-principal | show-token | refresh | get-sandbox-config
  std::string sandbox_id;  // get-sandbox-config
  std::string socket;      // control socket of a running supervisor; empty = look for it
  bool json = false;
  bool raw = false;     // show-token only
  bool verify = false;  // show-principal only, as is what follows
  std::string jwks;     // the gateway's key set: a file, or "-" for standard input
  IdentityOptions identity;
};

// What a run with these options would find.
struct DoctorOptions {
  RunOptions run;  // without a command
  bool json = false;
};

// Text that was asked for (--help, --version): print it and end with code 0.
struct Answer {
  std::string text;
};

struct Options {
  log::Level log_level = log::Level::warn;
  std::variant<RunOptions, DebugRpcOptions, DoctorOptions, Answer> action;
};

// `supervisor -- CMD` and `supervisor CMD` without a subcommand mean `supervisor run …`, so that
// the program can be an image's entrypoint.  Errors are usage errors: one line, exit code 125.
Result<Options> parse_options(const std::vector<std::string>& arguments);

}  // namespace keyward::supervisor
