#pragma once
// What systemd wants to be told (sd_notify(3)).

#include <string>
#include <string_view>

namespace keyward::sigv4proxy {

// `socket` is NOTIFY_SOCKET's value; nothing happens when it is empty, and a failure is nobody's
// concern.
void notify(const std::string& socket, std::string_view state);

}  // namespace keyward::sigv4proxy
