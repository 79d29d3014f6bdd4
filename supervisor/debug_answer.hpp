#pragma once
// The questions of `supervisor debug-rpc` and their answers, and how both travel over the control
// socket: one flat JSON object each.  The same code answers in the running supervisor and, where
// none runs, in the program itself.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "identity/jwt/json_object.hpp"
#include "identity/jwt/jwks.hpp"
#include "identity/rpc/gateway_client.hpp"
#include "identity/token/slot.hpp"

namespace keyward::supervisor {

enum class DebugCommand { show_principal, show_token, refresh, get_sandbox_config, metrics };

struct DebugQuestion {
  DebugCommand command = DebugCommand::show_principal;
  std::string sandbox_id;  // of get_sandbox_config
  bool raw = false;        // of show_token: the token itself instead of its fingerprint
};

// "code" is 0 or a gRPC code, with "error"; the other members are the answer.
using DebugAnswer = identity::JsonObject;

// What a supervisor in local mode answers to questions about its token.
constexpr const char* without_gateway =
    "this supervisor runs without a gateway: it has no token, and metrics is all that it can be "
    "asked";

// Who can answer: the running session, or the token of the environment.
class DebugTarget {
 public:
  virtual ~DebugTarget() = default;
  virtual std::shared_ptr<const identity::Token> token() = 0;  // null: it has none
  virtual identity::RpcResult<std::shared_ptr<const identity::Token>> refresh() = 0;
  virtual identity::RpcResult<identity::SandboxConfig> sandbox_config(
      const std::string& sandbox_id) = 0;
  virtual identity::RpcResult<std::string> metrics() = 0;  // in Prometheus' text format
};

// The principal's member "signature" is "not checked".
DebugAnswer answer(const DebugQuestion& question, DebugTarget& target);
DebugAnswer error_answer(int grpc_code, std::string message);
// The principal of a token that the gateway's keys verify: "signature" is "verified".  Otherwise
// code 16, and why.
DebugAnswer verified_principal(Secret token, const identity::JwkSet& keys, TimePoint now);

Result<DebugCommand> parse_command(std::string_view name);  // "show-token" …

std::string to_json(const DebugQuestion& question);
Result<DebugQuestion> parse_question(std::string_view json);  // unknown members are refused
std::string to_json(const DebugAnswer& answer);
Result<DebugAnswer> parse_answer(std::string_view json);

std::string_view grpc_code_name(int code);  // "PermissionDenied" …

}  // namespace keyward::supervisor
