#pragma once
// The keys that seal session tickets (RFC 5077): one ring for all threads, so that a client that
// comes back on another thread is resumed, rotated so that a ticket's secrecy has an end.

#include <array>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/clock.hpp"

namespace keyward::netproxy {

struct TicketKey {
  std::array<unsigned char, 16> name{};
  std::array<unsigned char, 32> cipher_key{}, hmac_key{};
  TimePoint made;
};

class TicketKeys {
 public:
  explicit TicketKeys(TimePoint now);
  ~TicketKeys();
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;

  static constexpr std::chrono::hours rotation{1};
  TicketKey current(TimePoint now);  // makes a new one when the last is older than `rotation`
  // The key of that name and whether the ticket should be replaced; nullopt: unknown or too old.
  struct Found {
    TicketKey key;
    bool renew = false;
  };
  std::optional<Found> find(const unsigned char* name, TimePoint now);

 private:
  std::mutex mutex_;
  TicketKey newest_, previous_;
};

}  // namespace keyward::netproxy
