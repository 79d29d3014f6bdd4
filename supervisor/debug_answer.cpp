#include "supervisor/debug_answer.hpp"

#include <array>

#include "base/log.hpp"
#include "identity/jwt/own_token.hpp"
#include "identity/jwt/sandbox_token.hpp"
#include "identity/token/source.hpp"

namespace keyward::supervisor {
namespace {

using identity::JsonObject;
using identity::Token;

constexpr std::array<std::pair<std::string_view, DebugCommand>, 5> commands = {{
    {"show-principal", DebugCommand::show_principal},
    {"show-token", DebugCommand::show_token},
    {"refresh", DebugCommand::refresh},
    {"get-sandbox-config", DebugCommand::get_sandbox_config},
    {"metrics", DebugCommand::metrics},
}};

std::string_view name_of(DebugCommand command) {
  for (const auto& [name, each] : commands)
    if (each == command) return name;
  return {};
}

DebugAnswer good_answer() {
  DebugAnswer answer;
  answer.set("code", std::int64_t{0});
  return answer;
}

std::int64_t milliseconds_of(TimePoint time) {
  return time == identity::never_expires ? 0 : time.time_since_epoch().count();
}

DebugAnswer no_token() { return error_answer(identity::grpc_failed_precondition, without_gateway); }

DebugAnswer summary(const Token& token) {
  DebugAnswer answer = good_answer();
  answer.set("fingerprint", token.bearer.fingerprint());
  answer.set("expires_at_ms", milliseconds_of(token.expires));
  answer.set("sandbox_id", token.sandbox_id);
  answer.set("subject", token.subject);
  answer.set("issuer", token.issuer);
  return answer;
}

DebugAnswer principal(const Token& token) {
  DebugAnswer answer = good_answer();
  answer.set("iss", token.issuer);
  answer.set("sub", token.subject);
  answer.set("sandbox_id", token.sandbox_id);
  answer.set("iat", token.issued.time_since_epoch().count() / 1000);
  answer.set("exp", milliseconds_of(token.expires) / 1000);
  if (!token.jti.empty()) answer.set("jti", token.jti);
  answer.set("signature", "not checked");
  return answer;
}

DebugAnswer config_answer(const identity::SandboxConfig& config) {
  DebugAnswer answer = good_answer();
  answer.set("version", std::int64_t{config.version});
  answer.set("policy_hash", config.policy_hash);
  answer.set("config_revision", std::to_string(config.config_revision));  // may exceed 63 bits
  return answer;
}

std::string json_value(const identity::JsonValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return log::json_quote(*text);
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  return "null";
}

}  // namespace

DebugAnswer error_answer(int grpc_code, std::string message) {
  DebugAnswer answer;
  answer.set("code", std::int64_t{grpc_code});
  answer.set("error", std::move(message));
  return answer;
}

DebugAnswer verified_principal(Secret token, const identity::JwkSet& keys, TimePoint now) {
  if (const auto checked = identity::check_own_token(token.reveal(), keys, now); !checked)
    return error_answer(grpc_code(checked.error().code), checked.error().what);
  const auto held = identity::parse_token(std::move(token), "the token");
  if (!held) return error_answer(grpc_code(held.error().code), held.error().what);
  DebugAnswer answer = principal(**held);
  answer.set("signature", "verified");
  return answer;
}

DebugAnswer answer(const DebugQuestion& question, DebugTarget& target) {
  switch (question.command) {
    case DebugCommand::show_principal: {
      const auto token = target.token();
      return token ? principal(*token) : no_token();
    }
    case DebugCommand::show_token: {
      const auto token = target.token();
      if (!token) return no_token();
      DebugAnswer shown = summary(*token);
      if (question.raw) shown.set("token", std::string(token->bearer.reveal()));
      return shown;
    }
    case DebugCommand::refresh: {
      const auto refreshed = target.refresh();
      if (!refreshed) return error_answer(refreshed.error().grpc_code, refreshed.error().message);
      return summary(**refreshed);
    }
    case DebugCommand::get_sandbox_config: {
      const auto config = target.sandbox_config(question.sandbox_id);
      if (!config) return error_answer(config.error().grpc_code, config.error().message);
      return config_answer(*config);
    }
    case DebugCommand::metrics: {
      auto metrics = target.metrics();
      if (!metrics) return error_answer(metrics.error().grpc_code, metrics.error().message);
      DebugAnswer shown = good_answer();
      shown.set("metrics", std::move(*metrics));
      return shown;
    }
  }
  return error_answer(identity::grpc_internal, "unknown command");
}

Result<DebugCommand> parse_command(std::string_view name) {
  for (const auto& [each, command] : commands)
    if (each == name) return command;
  return fail(Code::invalid,
              "debug-rpc: unknown command; known are show-principal, show-token, refresh, "
              "get-sandbox-config and metrics");
}

std::string to_json(const DebugQuestion& question) {
  JsonObject object;
  object.set("command", std::string(name_of(question.command)));
  object.set("sandbox_id", question.sandbox_id);
  object.set("raw", question.raw);
  return to_json(object);
}

Result<DebugQuestion> parse_question(std::string_view json) {
  TRY_ASSIGN(const JsonObject object, identity::parse_json_object(json));
  const std::string* command = object.text("command");
  const std::string* sandbox_id = object.text("sandbox_id");
  const bool* raw = object.boolean("raw");
  if (command == nullptr || sandbox_id == nullptr || raw == nullptr || object.members().size() != 3)
    return fail(Code::invalid, "debug-rpc: a question has command, sandbox_id and raw");
  DebugQuestion question;
  TRY_ASSIGN(question.command, parse_command(*command));
  question.sandbox_id = *sandbox_id;
  question.raw = *raw;
  return question;
}

std::string to_json(const DebugAnswer& answer) {
  std::string json = "{";
  for (const auto& [name, value] : answer.members()) {
    if (json.size() > 1) json += ",";
    json += log::json_quote(name) + ":" + json_value(value);
  }
  return json + "}";
}

Result<DebugAnswer> parse_answer(std::string_view json) {
  TRY_ASSIGN(DebugAnswer answer, identity::parse_json_object(json));
  const std::int64_t* code = answer.integer("code");
  if (code == nullptr || *code < 0 || *code > 16)
    return fail(Code::invalid, "debug-rpc: the supervisor's answer has no code");
  if (*code != 0 && answer.text("error") == nullptr)
    return fail(Code::invalid, "debug-rpc: the supervisor's answer has no error text");
  return answer;
}

std::string_view grpc_code_name(int code) {
  constexpr std::array<std::string_view, 17> names = {
      "Ok",       "Cancelled",      "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  return code >= 0 && code < static_cast<int>(names.size()) ? names[static_cast<std::size_t>(code)]
                                                            : "Unknown";
}

}  // namespace keyward::supervisor
