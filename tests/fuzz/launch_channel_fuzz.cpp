// The launch channel's payloads: whatever arrives is decoded or refused, and what was decoded
// encodes to the same bytes.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "isolation/launch_channel.hpp"

using namespace keyward::isolation;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)decode_sandbox_spec(bytes);
  (void)decode_built(bytes);
  (void)decode_error(bytes);
  (void)decode_number(bytes);
  const auto program = decode_program_spec(bytes);
  // A map's order is the decoder's, so only what has no files is compared.
  if (program && program->files.empty() && encode(*program) != bytes) std::abort();
  return 0;
}
