#include "netproxy/tls/ticket_keys.hpp"

#include <cstring>

#include "base/crypto.hpp"

namespace keyward::netproxy {
namespace {

TicketKey make_key(TimePoint now) {
  TicketKey key;
  std::string bytes = random_bytes(80);
  std::memcpy(key.name.data(), bytes.data(), 16);
  std::memcpy(key.cipher_key.data(), bytes.data() + 16, 32);
  std::memcpy(key.hmac_key.data(), bytes.data() + 48, 32);
  wipe(bytes.data(), bytes.size());
  key.made = now;
  return key;
}

}  // namespace

TicketKeys::TicketKeys(TimePoint now) : newest_(make_key(now)), previous_(make_key(now)) {}

TicketKeys::~TicketKeys() {
  wipe(&newest_, sizeof newest_);
  wipe(&previous_, sizeof previous_);
}

TicketKey TicketKeys::current(TimePoint now) {
  const std::lock_guard lock(mutex_);
  if (now - newest_.made >= rotation) {
    previous_ = newest_;
    newest_ = make_key(now);
  }
  return newest_;
}

std::optional<TicketKeys::Found> TicketKeys::find(const unsigned char* name, TimePoint now) {
  const std::lock_guard lock(mutex_);
  for (const TicketKey* key : {&newest_, &previous_}) {
    if (std::memcmp(key->name.data(), name, key->name.size()) != 0) continue;
    if (now - key->made >= 2 * rotation) return std::nullopt;
    return Found{*key, key == &previous_ || now - key->made >= rotation};
  }
  return std::nullopt;
}

}  // namespace keyward::netproxy
