#pragma once
// Who may call what: one table for every method.

#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "gateway/authn/principal.hpp"

namespace keyward::gateway {

enum class Access {
  everyone,
  sandbox,          // a sandbox, about itself
  sandbox_or_user,  // a sandbox about itself, a user about any
  user,
  operator_socket,  // not on the network
};

// As the wire contract's `authorization` option gives it for each method; a test compares them.
struct MethodRule {
  std::string_view method;
  Access access;
  Role role = Role::none;    // that a user needs
  std::string_view scope{};  // that a user needs who is limited by scopes
};
std::span<const MethodRule> method_rules();

// The sandbox that a request is about.
struct Requested {
  enum class By { caller, id, name } by = By::caller;
  std::string sandbox_id;  // by name: of the one that has it; empty: there is none
};

// Of a sandbox decided without telling it whether another one exists: by id before anything is
// looked up, by name with one text for unknown and foreign.
Result<> authorize(const Principal& principal, std::string_view method,
                   const Requested& requested = {});

}  // namespace keyward::gateway
