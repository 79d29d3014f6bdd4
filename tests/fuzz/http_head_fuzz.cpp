// Heads that are accepted must survive being written and read again with the same meaning.

#include <cstdint>
#include <cstdlib>

#include "netproxy/http/fields.hpp"
#include "netproxy/http/head_parser.hpp"
#include "netproxy/http/target.hpp"

using namespace keyward::netproxy;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t length = head_length(text);
  if (length == 0) return 0;
  if (auto head = parse_request_head(text.substr(0, length))) {
    head->minor = 1;
    if (find_header(head->headers, "host") == nullptr) return 0;
    const auto again = parse_request_head(serialize(*head));
    if (!again || again->framing != head->framing || again->content_length != head->content_length)
      std::abort();
    strip_request_hop_headers(head->headers);
    if (!parse_request_head(serialize(*head))) std::abort();
    (void)parse_authority(head->target);
    (void)parse_absolute_target(head->target);
  }
  if (auto head = parse_response_head(text.substr(0, length), "GET")) {
    if (head->headers.size() > max_header_lines) std::abort();
    strip_response_hop_headers(head->headers);
  }
  return 0;
}
