#pragma once
// `gateway certgen`: the keys that a gateway needs, made once.
//
//   ca.crt ca.key                       EC P-256, ten years; signs the two below
//   server/tls.crt server/tls.key       two years, for the given names
//   client/tls.crt client/tls.key       two years, for clients; never a way to become an operator
//   jwt/signing.pem public.pem kid      Ed25519
//   store.key                           64 hex digits: seals the secrets in the database

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace keyward::gateway {

struct CertgenOptions {
  std::string output_directory;
  std::vector<std::string> server_names;  // added to localhost, 127.0.0.1 and ::1
  bool dry_run = false;
};

// What was done, one sentence per line, for people.  Everything there: nothing is changed, but a
// missing server name makes a new server certificate under the same CA.  Nothing there: all is
// made, in a directory beside that is then renamed.  A part of it there: an error that lists what
// is missing.
Result<std::vector<std::string>> run_certgen(const CertgenOptions& options, TimePoint now);

}  // namespace keyward::gateway
