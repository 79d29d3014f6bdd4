#pragma once
// AWS keys with what is known about them.

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "netproxy/sigv4/signer.hpp"

namespace keyward::identity {

struct AwsKeys {
  netproxy::AwsCredentials pair;
  std::optional<TimePoint> expires;
  std::string source;  // for people: "environment", "profile NAME", "role ARN"…
};

// Enough to know a key by, for people.
inline std::string key_id_end(const std::string& id) {
  return "…" + id.substr(id.size() - std::min<std::size_t>(4, id.size()));
}

// What there is to sign with at the moment.
struct AwsKeyState {
  std::shared_ptr<const AwsKeys> keys;  // null: none
  std::string problem;  // why there are none, or why the last renewal failed; empty: all is well
};

}  // namespace keyward::identity
