#pragma once
// How a verifier ends that does not produce claims.

#include <string>

namespace keyward::identity {

// Not this verifier's token (foreign form, key, algorithm or issuer): the next one may try.
struct Declined {
  std::string reason;  // may be told where nobody else takes the token; may be empty
};
// This verifier's by name, and not acceptable: the chain ends here.  The reason may be told.
struct Rejected {
  std::string reason;
};

}  // namespace keyward::identity
