// `gateway serve --config`: any bytes give settings or an error with a place.

#include <cstdint>
#include <cstdlib>

#include "gateway/config_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto options = keyward::gateway::parse_config(text, "file", {});
  if (!options && !options.error().what.starts_with("file:")) std::abort();
  return 0;
}
