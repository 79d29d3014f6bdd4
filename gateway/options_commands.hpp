#pragma once
// The operator's commands on the command line; a part of gateway/options.

#include "gateway/options.hpp"

namespace CLI {
class App;
}  // namespace CLI

namespace keyward::gateway {

// Filled while arguments are parsed; one of them is taken.
struct CommandArguments {
  SandboxCommand sandbox;
  PolicyCommand policy;
  DraftCommand draft;
  ProviderCommand provider;
  ProfileCommand profile;
  KeysCommand keys;
};

void declare_commands(CLI::App& app, CommandArguments& all, Options& options);

}  // namespace keyward::gateway
