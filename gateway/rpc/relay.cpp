#include "gateway/rpc/relay.hpp"

namespace keyward::gateway {

void Relay::tell(Side side) {
  std::function<void()> changed;
  {
    const std::lock_guard lock(mutex_);
    changed = ends_.at(index(side)).changed;
  }
  if (changed) changed();
}

void Relay::attach(Side side, std::function<void()> changed) {
  {
    const std::lock_guard lock(mutex_);
    ends_.at(index(side)).changed = std::move(changed);
    ends_.at(index(side)).attached = true;
  }
  tell(side);
  tell(other(side));
}

bool Relay::is_whole() const {
  const std::lock_guard lock(mutex_);
  return ends_[0].attached && ends_[1].attached;
}

void Relay::write(Side from, std::string data) {
  {
    const std::lock_guard lock(mutex_);
    End& to = ends_.at(index(other(from)));
    to.bytes += data.size() + frame_cost;
    to.queue.push_back(std::move(data));
  }
  tell(other(from));
}

bool Relay::has_room(Side from) const {
  const std::lock_guard lock(mutex_);
  return ends_.at(index(other(from))).bytes < queue_limit;
}

std::optional<std::string> Relay::read(Side to) {
  std::optional<std::string> data;
  {
    const std::lock_guard lock(mutex_);
    End& end = ends_.at(index(to));
    if (end.queue.empty()) return std::nullopt;
    data = std::move(end.queue.front());
    end.queue.pop_front();
    end.bytes -= data->size() + frame_cost;
  }
  tell(other(to));
  return data;
}

void Relay::end(Side from) {
  {
    const std::lock_guard lock(mutex_);
    ends_.at(index(from)).ended = true;
  }
  tell(other(from));
}

void Relay::leave(Side from) {
  {
    const std::lock_guard lock(mutex_);
    ends_.at(index(from)).ended = ends_.at(index(from)).gone = true;
  }
  tell(other(from));
}

void Relay::fail_with(std::string reason) {
  {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(reason);
    for (End& end : ends_) end.ended = end.gone = true;
  }
  tell(Side::user);
  tell(Side::sandbox);
}

std::optional<std::string> Relay::is_over(Side to) const {
  const std::lock_guard lock(mutex_);
  const End& here = ends_.at(index(to));
  const End& there = ends_.at(index(other(to)));
  const bool over = here.queue.empty() && (there.gone || (there.ended && here.ended));
  return over ? std::optional(failure_) : std::nullopt;
}

bool Relay::is_half_over(Side to) const {
  const std::lock_guard lock(mutex_);
  return ends_.at(index(other(to))).ended && ends_.at(index(to)).queue.empty();
}

}  // namespace keyward::gateway
