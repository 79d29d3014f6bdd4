#include "netproxy/http/body.hpp"

#include <algorithm>

namespace keyward::netproxy {

bool BodyFraming::done() const {
  switch (framing_) {
    case Framing::none:
      return true;
    case Framing::length:
      return remaining_ == 0;
    case Framing::chunked:
      return chunks_.done();
    case Framing::until_close:
      break;
  }
  return false;
}

Result<std::size_t> BodyFraming::take(std::string_view available, ContentWatcher* watcher) {
  if (framing_ == Framing::none) return std::size_t{0};
  if (framing_ == Framing::chunked) {
    std::size_t taken = 0;
    while (taken < available.size() && !chunks_.done()) {
      TRY_ASSIGN(const ChunkedReader::Step step, chunks_.next(available.substr(taken)));
      if (watcher != nullptr && !step.data.empty()) watcher->content(step.data);
      taken += step.consumed;
    }
    return taken;
  }
  std::size_t taken = available.size();
  if (framing_ == Framing::length) {
    taken = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, taken));
    remaining_ -= taken;
  }
  if (watcher != nullptr && taken > 0) watcher->content(available.substr(0, taken));
  return taken;
}

}  // namespace keyward::netproxy
