#pragma once
// `gateway serve`: the authority of a set of sandboxes.

#include <string>

#include "base/result.hpp"

namespace keyward::gateway {

struct ServeOptions {
  std::string listen = "127.0.0.1:17670";
  std::string key_directory;  // as certgen makes it
  bool plaintext = false;     // loopback only
  bool require_client_certificate = false;
  std::string database;
  std::string key_file;  // empty: store.key of key_directory
  std::string gateway_id = "openshell";
  unsigned token_life_seconds = 3600;
  std::string operator_socket;
  std::string audit_file = "-";
};

// Returns when TERM or INT came.  Errors name the option and the remedy; nothing listens then.
Result<> serve(const ServeOptions& options);

}  // namespace keyward::gateway
