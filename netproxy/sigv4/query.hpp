#pragma once
// The query of a request target, item by item (S3 API Reference, "Authenticating Requests: Using
// Query Parameters").  Pure.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keyward::netproxy {

struct QueryItem {
  std::string_view raw;     // as it stands, a view of the target
  std::string name, value;  // decoded; '+' is a plus
};

// Empty pieces between `&` are skipped.  Errors: Code::invalid, malformed percent-encoding.
Result<std::vector<QueryItem>> query_items(std::string_view target);

// The target without the items that `drop` names, otherwise byte for byte.
Result<std::string> without_query_items(std::string_view target,
                                        const std::function<bool(const QueryItem&)>& drop);

// The items that authenticate a request, in any spelling of case: X-Amz-Algorithm, -Credential,
// -Date, -Expires, -SignedHeaders, -Signature, -Security-Token, -Region-Set, -Content-Sha256 and
// X-Amz-S3session-Token.
bool is_query_authentication(std::string_view name);

}  // namespace keyward::netproxy
