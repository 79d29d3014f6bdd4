#include "gateway/cli/output.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.hpp"

namespace keyward::gateway {

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], row[i].size());
    }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string joined(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& entry : list) text += (text.empty() ? "" : ",") + entry;
  return text.empty() ? "-" : text;
}

std::string sandbox_json(const SandboxInfo& sandbox) {
  nlohmann::json json{{"id", sandbox.id},
                      {"name", sandbox.name},
                      {"created", iso_time(sandbox.created)},
                      {"policy_version", sandbox.policy_version},
                      {"policy_hash", sandbox.policy_hash},
                      {"policy_status", sandbox.policy_status},
                      {"providers", sandbox.providers},
                      {"exit_code", nullptr},
                      {"exited", nullptr}};
  if (sandbox.exit_code) {
    json["exit_code"] = *sandbox.exit_code;
    json["exited"] = iso_time(sandbox.exited);
  }
  return json.dump();
}

std::string provider_json(const ProviderInfo& provider) {
  return nlohmann::json{{"id", provider.id},
                        {"name", provider.name},
                        {"type", provider.type},
                        {"created", iso_time(provider.created)},
                        {"credentials", provider.credential_names},
                        {"config", provider.config},
                        {"bindings", provider.bindings},
                        {"derived_services", provider.derived_services},
                        {"derived_regions", provider.derived_regions}}
      .dump();
}

std::string json_list(const std::vector<std::string>& objects) {
  std::string text = "[";
  for (const std::string& object : objects) text += (text.size() > 1 ? "," : "") + object;
  return text + "]";
}

Result<> write_token(const std::string& path, const Secret& token) {
  const auto slash = path.find_last_of('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  struct stat status{};
  if (::stat(directory.c_str(), &status) != 0) return fail_errno(directory);
  const bool others_write = (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  if (others_write || (status.st_uid != 0 && status.st_uid != ::geteuid()))
    return fail(
        Code::denied,
        directory + ": others can write to this directory; choose one that is root's alone");
  return create_file(path, token.reveal(), 0600);
}

}  // namespace keyward::gateway
