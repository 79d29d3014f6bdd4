// Keys of dynamic credentials: what is taken is written in one way, and its selector can be
// decided.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "identity/grant/injection.hpp"
#include "identity/grant/wire_key.hpp"

using namespace keyward;
using namespace keyward::identity;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)read_injection("header", text);
  const auto key = parse_wire_key(text);
  if (!key) return 0;
  if (write_wire_key(*key) != text || key->where.port == 0) std::abort();
  if (!overlaps(key->where, key->where) || !is_within(key->where, key->where)) std::abort();
  if (specificity_of(key->where) != specificity_of(key->where)) std::abort();
  const Selector fixed{"api.example.com", 443, "/v1/a"};
  if (selects(key->where, {fixed.host, fixed.port, fixed.path}) && !overlaps(key->where, fixed))
    std::abort();
  return 0;
}
