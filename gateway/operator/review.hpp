#pragma once
// Proposed rules and provider profiles, as the operator's commands ask for them.

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace keyward::gateway {

struct DraftInfo {
  std::string id, status, rule, binary, rationale, security_notes, validation, review_token;
  std::string proposed_rule;           // the whole of it, as JSON (the protobuf JSON mapping)
  std::vector<std::string> endpoints;  // HOST:PORT
  int hits = 0;
  TimePoint created;
};

// A credential that an authorization server gives, for as long as it is needed.
struct GrantInfo {
  std::string credential, grant_type;
  std::string client_auth;  // tls_client_auth; empty: what the grant type has
  std::string server;  // its token endpoint or its issuer; empty: the JWT-SVID itself is the token
  std::string header;
  std::string audience;
  std::vector<std::string> overrides;  // HOST[:PORT][/PATH], parts that are the endpoint's left out
  std::vector<std::string> roles{};    // of AWS, the last one's keys sign
};

struct ProfileInfo {
  std::string id, source, display_name;
  std::vector<std::string> variables, endpoints;
  std::uint64_t resource_version = 0;
  std::vector<GrantInfo> grants{};
};

class ReviewClient {
 public:
  static Result<std::unique_ptr<ReviewClient>> connect(const std::string& socket_path);
  virtual ~ReviewClient() = default;

  virtual Result<std::vector<DraftInfo>> drafts(const std::string& sandbox) = 0;
  // The policy's new revision.  `review_token`: of what was looked at.
  virtual Result<std::uint32_t> approve(const std::string& sandbox, const std::string& id,
                                        const std::string& review_token) = 0;
  virtual Result<> reject(const std::string& sandbox, const std::string& id,
                          const std::string& reason) = 0;

  virtual Result<std::vector<ProfileInfo>> profiles() = 0;
  // A ProviderProfile of the wire contract as JSON (the protobuf JSON mapping); one that is there
  // already is replaced.  Errors have one line for each thing that is wrong.
  virtual Result<> import_profile(const std::string& json) = 0;
  virtual Result<> delete_profile(const std::string& id) = 0;
};

}  // namespace keyward::gateway
