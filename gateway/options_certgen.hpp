#pragma once
// `gateway certgen` on the command line; a part of gateway/options.

#include <string>
#include <vector>

#include "gateway/options.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace keyward::gateway {

CLI::Option* add_repeatable(CLI::App& app, const char* name, std::vector<std::string>& target,
                            const char* help);

// Filled while arguments are parsed.
struct CertgenArguments {
  CertgenOptions files;
  bool kubernetes = false;
  ManifestOptions manifests;
};

void declare_certgen(CLI::App& app, CertgenArguments& arguments, Options& options);

// What one option alone does not tell; nothing for other commands.
Result<> complete_certgen(Options& options);

}  // namespace keyward::gateway
