#pragma once
// `gateway serve --config FILE`: TOML with the keys of an OpenShell gateway's configuration, and
// [keyward.gateway] for what OpenShell has no key for (docs/GATEWAY.md).  A key that is unknown, or
// that this version does not serve, is an error with its place; nothing is ignored.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "gateway/options.hpp"

namespace keyward::gateway {

constexpr std::size_t config_file_limit = 65'536;  // bytes

// What the file says, over `defaults`.  `path` is for error texts only.
Result<ServeOptions> parse_config(std::string_view text, const std::string& path,
                                  ServeOptions defaults);

}  // namespace keyward::gateway
