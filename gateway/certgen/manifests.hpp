#pragma once
// `gateway certgen --kubernetes`: what `gateway serve` needs as Secrets, in YAML for
// `kubectl apply -f -`.  Nothing is written to a disk and no cluster is asked.
//
//   server, client   kubernetes.io/tls: tls.crt tls.key ca.crt
//   jwt              Opaque: signing.pem public.pem kid; mounted, it is a directory for --jwt-dir
//
// The Secrets are immutable: a cluster keeps the keys that it has when they are applied again.  The
// CA's key is in none of them and is forgotten.

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::gateway {

struct ManifestOptions {
  std::string target_namespace;                    // of all of them
  std::string server_name, client_name, jwt_name;  // the Secrets' names
  std::vector<std::string> server_sans;            // beside the default ones
  bool jwt_only = false;                           // the JWT Secret alone
  bool dry_run = false;                            // makes nothing
  bool force_terminal = false;                     // private keys may be shown
};

// The manifests; of a dry run one line for each.
Result<Secret> make_manifests(const ManifestOptions& options, TimePoint now);

}  // namespace keyward::gateway
