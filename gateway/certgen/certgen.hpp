#pragma once
// `gateway certgen`: the files that `gateway serve` needs.
//
//   ca.crt ca.key   server/tls.{crt,key}   client/tls.{crt,key}   jwt/{signing.pem,public.pem,kid}
//   store.key   users/NAME/tls.{crt,key}
//
// Keys 0600, directories 0700.  Running it again changes nothing: what is whole is kept, what is
// incomplete is an error that names the missing files.  A server name that the certificate lacks
// re-issues the server certificate alone, by the same CA: nobody's trust changes.

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace keyward::gateway {

struct CertgenOptions {
  std::string output_dir;
  std::vector<std::string> server_names;  // beside the default ones
  bool jwt_only = false;                  // signing key alone
  bool dry_run = false;                   // writes nothing
  std::string user;                       // not empty: a certificate for this user alone
  bool user_is_admin = false;
};

// What was done or would be done, one line each.
Result<std::vector<std::string>> generate_files(const CertgenOptions& options, TimePoint now);

}  // namespace keyward::gateway
