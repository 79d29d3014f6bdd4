#pragma once
// The certificates that upstreams are verified with, and the files that make the child trust the
// sandbox's own CA.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keyward::supervisor {

struct TrustOptions {
  std::string upstream_ca_file;       // adds; empty = none
  std::string upstream_ca_only_file;  // replaces; empty = none
};

// PEM of every CA that may vouch for an upstream: the image's store (first of the usual places),
// plus or instead the given files.  Read once, before the child exists.  An image without a store
// gives an empty text and `said` a sentence.
struct TrustStore {
  std::string pem;
  std::string said;
};
Result<TrustStore> load_trust_store(const TrustOptions& options);

// For clients whose library reads the image's file where it is told nothing, and would do so while
// the sandbox runs.
std::string nothing_but(const std::string& store_pem);

// path → content for the sandbox: the CA alone, the bundle, and the bundle as a JKS trust store for
// JVMs.
Result<std::map<std::string, std::string>> trust_files(const std::string& ca_pem,
                                                       const std::string& store_pem);

// The DER bodies of the CERTIFICATE blocks of a PEM text (RFC 7468); text between them is skipped.
Result<std::vector<std::string>> certificates_of(std::string_view pem);

// A JKS key store of trusted certificates with the password "changeit" (the format of
// sun.security.provider.JavaKeyStore, which every JVM reads).  Aliases are "keyward-0" and so on.
std::string java_trust_store(const std::vector<std::string>& certificates);

}  // namespace keyward::supervisor
