#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/log.hpp"
#include "gateway/cli/commands.hpp"

namespace keyward::gateway {
namespace {

constexpr std::chrono::milliseconds follow_interval{500};

// The supervisor is not trusted to leave the terminal alone: its texts are quoted.
void print_line(const LogLineInfo& line, bool json) {
  if (json) {
    const nlohmann::json object{{"number", line.number},   {"time", iso_time(line.time)},
                                {"level", line.level},     {"target", line.target},
                                {"message", line.message}, {"fields", line.fields}};
    std::printf("%s\n", object.dump().c_str());
    return;
  }
  std::string text =
      iso_time(line.time) + " " + log::json_quote(line.level) + " " + log::json_quote(line.message);
  for (const auto& [name, value] : line.fields)
    text += " " + log::json_quote(name) + "=" + log::json_quote(value);
  std::printf("%s\n", text.c_str());
}

}  // namespace

Result<> print_logs(OperatorClient& client, const SandboxCommand& command, bool json) {
  for (std::uint64_t last = 0;;) {
    TRY_ASSIGN(const auto lines, client.logs(command.name, last));
    for (const LogLineInfo& line : lines) print_line(line, json);
    if (!lines.empty()) {
      last = lines.back().number;
      continue;
    }
    if (!command.follow) return {};
    std::fflush(stdout);
    std::this_thread::sleep_for(follow_interval);
  }
}

}  // namespace keyward::gateway
