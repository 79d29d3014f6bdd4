#include <cstdio>
#include <nlohmann/json.hpp>

#include "gateway/cli/commands.hpp"
#include "gateway/cli/output.hpp"
#include "gateway/issue/key_ring.hpp"

namespace keyward::gateway {
namespace {

void print_keys(const std::vector<KeyInfo>& keys, bool json) {
  if (json) {
    auto list = nlohmann::json::array();
    for (const KeyInfo& key : keys)
      list.push_back({{"kid", key.kid},
                      {"state", key.current ? "current" : "retired"},
                      {"since", iso_time(key.since)}});
    std::printf("%s\n", list.dump().c_str());
    return;
  }
  std::vector<std::vector<std::string>> cells = {{"KID", "STATE", "SINCE"}};
  for (const KeyInfo& key : keys)
    cells.push_back({key.kid, key.current ? "current" : "retired", iso_time(key.since)});
  std::fputs(table(cells).c_str(), stdout);
}

}  // namespace

Result<> run_keys_command(const KeysCommand& command, bool json) {
  const std::string directory =
      command.jwt_dir.empty() ? command.tls_dir + "/jwt" : command.jwt_dir;
  if (command.verb == KeysCommand::Verb::rotate) {
    TRY_ASSIGN([[maybe_unused]] const std::string kid, rotate_keys(directory, SystemClock().now()));
  }
  TRY_ASSIGN(const std::vector<KeyInfo> keys, list_keys(directory));
  print_keys(keys, json);
  return {};
}

}  // namespace keyward::gateway
