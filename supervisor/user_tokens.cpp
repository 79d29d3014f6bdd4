#include "supervisor/user_tokens.hpp"

#include <mutex>
#include <utility>

namespace keyward::supervisor {
namespace {

// Provider and credential.
std::pair<std::string, std::string> parts_of(const std::string& identity) {
  const auto colon = identity.find(':');
  if (colon == std::string::npos) return {identity, ""};
  return {identity.substr(0, colon), identity.substr(colon + 1)};
}

// Without a token that is good the gateway says so by FAILED_PRECONDITION, and by NOT_FOUND where
// it has just withdrawn what the grant is of: the next poll tells.
Code code_of(const identity::RpcError& error) {
  const Code code = code_of_grpc(error.grpc_code);
  return code == Code::precondition || code == Code::not_found ? Code::unavailable : code;
}

}  // namespace

void UserTokens::ask(Ask ask) {
  const std::unique_lock lock(mutex_);
  ask_ = std::move(ask);
}

Result<identity::SubjectToken> UserTokens::subject_for(const identity::Grant& grant) {
  const auto [provider, credential] = parts_of(grant.subject.credential);
  const std::shared_lock lock(mutex_);
  if (!ask_)
    return fail(Code::precondition, "a user's token comes from a gateway, and there is none");
  auto user = ask_(provider, credential);
  if (!user) return fail(code_of(user.error()), "the user's token: " + user.error().message);
  if (user->token.empty()) return fail(Code::invalid, "the user's token: the gateway sent none");
  return identity::SubjectToken{std::move(user->token), user->expires};
}

}  // namespace keyward::supervisor
