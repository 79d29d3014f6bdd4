#pragma once
// Capabilities of the calling thread (capabilities(7)).

#include <initializer_list>

#include "base/result.hpp"

namespace keyward::isolation {

// Empties the bounding set, or fails where CAP_SETPCAP is missing and the set is not empty already.
Result<> clear_bounding_set();
Result<> clear_ambient_set();
// Permitted and effective become exactly these (those that the thread has); inheritable becomes
// empty.
Result<> keep_capabilities(std::initializer_list<int> kept);
// All five sets are empty, as the kernel reports them.
Result<> verify_no_capabilities();

}  // namespace keyward::isolation
