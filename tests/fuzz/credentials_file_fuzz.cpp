#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "gateway/cli/credentials_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file =
      keyward::gateway::parse_credentials({reinterpret_cast<const char*>(data), size}, "default");
  if (!file) return 0;
  // What is accepted has a value, on one line, and no name twice in either kind.
  if (file->credentials.empty()) std::abort();
  for (const auto& [name, value] : file->credentials)
    if (name.empty() || value.empty() || file->config.count(name) != 0 ||
        value.reveal().find('\n') != std::string_view::npos)
      std::abort();
  return 0;
}
