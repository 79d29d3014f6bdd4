#pragma once
// Credentials of local mode: a TOML file that only root can read (docs/man/supervisor.1.md).  For
// development; with a gateway the file is neither needed nor accepted.
//
//   [aws.NAME]
//   access_key_id = "AKIA..."
//   secret_access_key = "..."
//   session_token = "..."                    # optional
//   bind = ["s3.example.com:443/bucket/**"]  # HOST[:PORT][/PATH]: where it may be used

#include <string>

#include "base/result.hpp"
#include "netproxy/credentials.hpp"

namespace keyward::supervisor {

// Unknown keys, missing keys and empty bindings are errors that name FILE:LINE.
Result<netproxy::Credentials> load_local_credentials(const std::string& path);
Result<netproxy::Credentials> parse_local_credentials(std::string_view text,
                                                      const std::string& path);

}  // namespace keyward::supervisor
