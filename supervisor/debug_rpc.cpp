#include "supervisor/debug_rpc.hpp"

#include <chrono>
#include <cstdio>
#include <thread>

#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/environment.hpp"
#include "base/file.hpp"
#include "identity/jwt/jwks.hpp"
#include "identity/token/source.hpp"
#include "supervisor/agent_tls.hpp"
#include "supervisor/config.hpp"
#include "supervisor/control_socket.hpp"
#include "supervisor/debug_answer.hpp"

namespace keyward::supervisor {
namespace {

using identity::RpcError;
using identity::RpcResult;
using identity::Token;

RpcError rpc_error_of(const Error& error) { return {grpc_code(error.code), error.what}; }

// No supervisor runs: this program is the client.
class DirectTarget final : public DebugTarget {
 public:
  static Result<std::unique_ptr<DirectTarget>> create(GatewaySettings settings, Secret token) {
    auto target = std::unique_ptr<DirectTarget>(new DirectTarget(std::move(settings)));
    TRY_ASSIGN(identity::AcquiredToken acquired,
               identity::acquire_token({std::move(token), target->settings_.token_file,
                                        target->settings_.kubernetes_token_file}));
    if (acquired.service_account)
      return fail(
          Code::not_found,
          "OPENSHELL_K8S_SA_TOKEN_FILE: no supervisor runs here, and debug-rpc exchanges no "
          "ServiceAccount token");
    target->slot_.set(std::move(acquired.token));
    target->file_ = std::move(acquired.file);
    return target;
  }

  std::shared_ptr<const Token> token() override { return slot_.get(); }

  RpcResult<std::shared_ptr<const Token>> refresh() override {
    if (!file_) return cannot_keep("the token comes from OPENSHELL_SANDBOX_TOKEN");
    if (const std::string obstacle = file_->write_obstacle(); !obstacle.empty())
      return cannot_keep(obstacle);
    TRY(connect());
    TRY_ASSIGN(identity::RefreshedToken refreshed, ask(file_->begin_refresh(*slot_.get())));
    auto token = identity::parse_token(std::move(refreshed.token), "the gateway's answer");
    if (!token) return tl::unexpected(rpc_error_of(token.error()));
    if (const Result<> kept = file_->end_refresh(**token); !kept)
      return tl::unexpected(rpc_error_of(kept.error()));
    slot_.set(*token);
    return *token;
  }

  RpcResult<identity::SandboxConfig> sandbox_config(const std::string& sandbox_id) override {
    TRY(connect());
    return client_->get_sandbox_config(sandbox_id);
  }

  RpcResult<std::string> metrics() override {
    return tl::unexpected(RpcError{identity::grpc_failed_precondition,
                                   "no supervisor runs here whose metrics could be shown"});
  }

 private:
  static tl::unexpected<RpcError> cannot_keep(const std::string& obstacle) {
    return tl::unexpected(RpcError{identity::grpc_failed_precondition,
                                   "no supervisor runs here, and a new token could not be kept "
                                   "while the old one is revoked: " +
                                       obstacle});
  }

  // An answer that was lost may have ended the old token: only the same id gets another one.
  RpcResult<identity::RefreshedToken> ask(const std::string& refresh_id) {
    for (const auto pause : {std::chrono::seconds(1), std::chrono::seconds(3)}) {
      RpcResult<identity::RefreshedToken> answer = client_->refresh(refresh_id);
      if (answer || answer.error().lasting) return answer;
      const int code = answer.error().grpc_code;
      if (code != identity::grpc_unavailable && code != identity::grpc_deadline_exceeded)
        return answer;
      std::this_thread::sleep_for(pause);
    }
    return client_->refresh(refresh_id);
  }

  explicit DirectTarget(GatewaySettings settings) : settings_(std::move(settings)) {}

  RpcResult<> connect() {
    if (settings_.endpoint.url.empty())
      return tl::unexpected(RpcError{identity::grpc_invalid_argument,
                                     "OPENSHELL_ENDPOINT: must be set to ask the gateway"});
    agent_ = agent_of(settings_, clock_);
    auto client = identity::GatewayClient::connect(settings_.endpoint, slot_,
                                                   tls_by(settings_, agent_.get()));
    if (!client) return tl::unexpected(rpc_error_of(client.error()));
    client_ = std::move(*client);
    return {};
  }

  GatewaySettings settings_;
  identity::TokenSlot slot_;
  std::optional<identity::TokenFile> file_;
  SystemClock clock_;
  std::unique_ptr<identity::SpiffeAgent> agent_;
  std::unique_ptr<identity::GatewayClient> client_;
};

// Empty: no supervisor runs.  A socket that was named must answer.
Result<std::string> find_socket(const std::string& asked_for) {
  if (!asked_for.empty()) return asked_for;
  const std::vector<std::string> running = running_supervisors();
  if (running.empty()) return std::string();
  if (running.size() == 1) return running.front();
  std::string list;
  for (const std::string& path : running) list += " " + path;
  return fail(Code::invalid, "several supervisors run here; name one with --socket:" + list);
}

Result<DebugQuestion> question_of(const DebugRpcOptions& options) {
  DebugQuestion question;
  TRY_ASSIGN(question.command, parse_command(options.command));
  question.sandbox_id = options.sandbox_id;
  question.raw = options.raw;
  if (question.command == DebugCommand::get_sandbox_config && question.sandbox_id.empty())
    return fail(Code::invalid, "get-sandbox-config: needs --sandbox-id ID");
  return question;
}

// Not fetched here: this program is static and resolves no names as the system does.
Result<identity::JwkSet> key_set(const std::string& source) {
  if (source.starts_with("http://") || source.starts_with("https://"))
    return fail(Code::invalid,
                "--jwks: give a file, or pipe it: curl URL | supervisor debug-rpc show-principal "
                "--verify --jwks -");
  Result<std::string> text = source == "-" ? read_standard_input(identity::jwks_limit)
                                           : read_file(source, identity::jwks_limit);
  if (!text) return fail_at("--jwks", std::move(text).error());
  Result<identity::JwkSet> keys = identity::parse_jwks(*text);
  if (!keys) return fail_at("--jwks", std::move(keys).error());
  return keys;
}

Result<DebugAnswer> ask(const DebugQuestion& question, const DebugRpcOptions& options) {
  SecretVariables secrets = take_secret_variables(secret_variables());
  const EnvironmentMap environment = environment_map();
  const auto named = environment.find("KEYWARD_CONTROL_SOCKET");
  const std::string asked_for =
      !options.socket.empty() || named == environment.end() ? options.socket : named->second;
  TRY_ASSIGN(const std::string socket, find_socket(asked_for));
  if (!socket.empty()) return ask_supervisor(socket, question);
  TRY_ASSIGN(GatewaySettings settings, gateway_settings(environment, options.identity));
  TRY_ASSIGN(
      const auto target,
      DirectTarget::create(std::move(settings), std::move(secrets["OPENSHELL_SANDBOX_TOKEN"])));
  return answer(question, *target);
}

Result<DebugAnswer> answer_of(const DebugRpcOptions& options) {
  TRY_ASSIGN(DebugQuestion question, question_of(options));
  if (!options.verify) return ask(question, options);
  TRY_ASSIGN(const identity::JwkSet keys, key_set(options.jwks));
  question.command = DebugCommand::show_token;
  question.raw = true;
  TRY_ASSIGN(DebugAnswer held, ask(question, options));
  const std::string* token = held.text("token");
  if (token == nullptr) return held;  // a failure
  return verified_principal(Secret(*token), keys, SystemClock().now());
}

std::string shown(const DebugAnswer& answer, std::string_view name) {
  if (const std::string* text = answer.text(name)) return *text;
  if (const std::int64_t* number = answer.integer(name)) return std::to_string(*number);
  return {};
}

std::string text_of(const DebugAnswer& answer, const DebugRpcOptions& options) {
  std::string text;
  if (options.command == "get-sandbox-config")
    return "version=" + shown(answer, "version") + " policy_hash=" + shown(answer, "policy_hash") +
           " config_revision=" + shown(answer, "config_revision") + "\n";
  if (options.command == "metrics") return shown(answer, "metrics");
  if (options.command == "show-token" && options.raw) return shown(answer, "token") + "\n";
  if (options.command == "show-principal") {
    DebugAnswer claims = answer;
    claims.remove("code");
    return to_json(claims) + "\n";
  }
  for (const char* name : {"fingerprint", "expires_at_ms", "sandbox_id", "subject", "issuer"})
    text += std::string(name) + "=" + shown(answer, name) + "\n";
  return text;
}

int complain(int code, const std::string& message) {
  std::fprintf(stderr, "%s: %s\n", std::string(grpc_code_name(code)).c_str(), message.c_str());
  return code;
}

}  // namespace

int debug_rpc(const DebugRpcOptions& options) {
  Result<DebugAnswer> said = answer_of(options);
  if (!said) said = error_answer(grpc_code(said.error().code), said.error().what);
  if (options.json) std::printf("%s\n", to_json(*said).c_str());
  if (const int code = static_cast<int>(*said->integer("code")); code != 0)
    return complain(code, *said->text("error"));
  if (!options.json) std::fputs(text_of(*said, options).c_str(), stdout);
  return 0;
}

bool is_debug_rpc(const std::vector<std::string>& arguments) {
  return !arguments.empty() && arguments.front() == "debug-rpc";
}

int debug_rpc_failure(const Error& error) { return complain(grpc_code(error.code), error.what); }

}  // namespace keyward::supervisor
