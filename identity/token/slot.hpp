#pragma once
// The sandbox's gateway token, shared by every client of the process: replaced as a whole, seen by
// all at once.

#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "base/snapshot.hpp"

namespace keyward::identity {

struct Token {
  Secret bearer;
  std::string sandbox_id, subject, issuer,
      jti;  // unverified claims of our own token, for display and scheduling
  TimePoint issued, expires;
};

using TokenSlot = Snapshot<Token>;

}  // namespace keyward::identity
