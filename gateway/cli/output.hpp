#pragma once
// Tables for people, JSON for scripts.

#include <string>
#include <vector>

#include "gateway/operator/client.hpp"

namespace keyward::gateway {

// Columns as wide as their widest cell; the first row is the heading.
std::string table(const std::vector<std::vector<std::string>>& rows);

std::string joined(const std::vector<std::string>& list);  // commas between; "-" for none

std::string sandbox_json(const SandboxInfo& sandbox);
std::string provider_json(const ProviderInfo& provider);
std::string json_list(const std::vector<std::string>& objects);

// A new file, 0600.  Its directory must belong to the caller or to root, and others must not be
// able to write to it.
Result<> write_token(const std::string& path, const Secret& token);

}  // namespace keyward::gateway
