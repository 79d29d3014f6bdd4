#pragma once
// Where token grants get their proofs and their tokens from: options, environment, and what the
// proxy has been told about names and authorities.

#include <map>
#include <string>

#include "base/environment.hpp"
#include "base/result.hpp"
#include "netproxy/io/proxy.hpp"
#include "supervisor/options.hpp"
#include "supervisor/token_grants.hpp"

namespace keyward::supervisor {

// Of --grant-assertion-file: the path for each audience.  Errors name the option.
Result<std::map<std::string, std::string>> assertion_files(const RunOptions& options);

// Token endpoints are trusted and resolved as upstreams are (--upstream-ca, --host-alias).
// Errors name the option or variable and the remedy.
Result<TokenGrantSettings> grant_settings(const RunOptions& options,
                                          const EnvironmentMap& environment,
                                          const netproxy::ProxySettings& proxy);

}  // namespace keyward::supervisor
