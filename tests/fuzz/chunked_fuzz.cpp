// The result must not depend on how the bytes are split.

#include <cstdint>
#include <cstdlib>

#include "netproxy/http/body.hpp"

using namespace keyward::netproxy;

namespace {

struct Collect final : ContentWatcher {
  void content(std::string_view part) override { text.append(part); }
  std::string text;
};

struct Outcome {
  bool valid = true, done = false;
  std::size_t consumed = 0;
  std::string content;
};

Outcome read_in_steps(std::string_view bytes, std::size_t step) {
  Outcome outcome;
  Collect watcher;
  BodyFraming framing(Framing::chunked, 0);
  while (outcome.consumed < bytes.size() && !framing.done()) {
    const auto taken = framing.take(bytes.substr(outcome.consumed, step), &watcher);
    outcome.valid = taken.has_value();
    if (!taken) break;
    outcome.consumed += *taken;
  }
  outcome.done = framing.done();
  outcome.content = watcher.text;
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Outcome whole = read_in_steps(bytes, size);
  const Outcome single = read_in_steps(bytes, 1);
  if (whole.valid != single.valid || whole.done != single.done) std::abort();
  if (whole.valid && (whole.consumed != single.consumed || whole.content != single.content))
    std::abort();
  return 0;
}
