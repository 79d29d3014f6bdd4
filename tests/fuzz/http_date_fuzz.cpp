// Dates of HTTP messages, which come from a gateway or what stands before it.
#include <cstdint>
#include <cstdlib>

#include "base/http_date.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto time = keyward::parse_http_date(text); time && keyward::http_date(*time) != text)
    std::abort();
  return 0;
}
