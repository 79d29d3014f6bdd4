#pragma once
// Credentials of local mode: a TOML file that only root can read (docs/man/supervisor.1.md).  For
// development; with a gateway the file is neither needed nor accepted.
//
//   [aws.NAME]
//   access_key_id = "AKIA..."
//   secret_access_key = "..."
//   session_token = "..."                    # optional
//   bind = ["s3.example.com:443/bucket/**"]  # HOST[:PORT][/PATH]: where it may be used
//
// or, in place of keys, a role that STS gives them for by this sandbox's own JWT-SVID:
//
//   web_identity_role = "arn:aws:iam::123456789012:role/reader"
//   region = "eu-central-1"                  # whose STS
//   sts_endpoint, jwt_svid_audience, session_name, duration_seconds        # optional
//   assume = [{ role_arn = "...", external_id = "..." }]  # optional: roles after the first

#include <string>

#include "base/result.hpp"
#include "identity/grant/sandbox_grants.hpp"
#include "netproxy/credentials.hpp"

namespace keyward::supervisor {

struct LocalCredentials {
  netproxy::Credentials keys;
  identity::SandboxGrants grants;
};

// Unknown keys, missing keys and empty bindings are errors that name FILE:LINE.
Result<LocalCredentials> load_local_credentials(const std::string& path);
Result<LocalCredentials> parse_local_credentials(std::string_view text, const std::string& path);

}  // namespace keyward::supervisor
