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

// `options` is filled while arguments are parsed.
CLI::App* declare_certgen(CLI::App& app, CertgenOptions& options);

}  // namespace keyward::gateway
