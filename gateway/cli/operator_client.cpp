#include "gateway/cli/operator_client.hpp"

#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "gateway/cli/provider_file.hpp"
#include "gateway/cli/table.hpp"
#include "netproxy/policy/yaml.hpp"
#include "operator.grpc.pb.h"

namespace keyward::gateway {
namespace {

namespace v1 = keyward::operators::v1;
using nlohmann::json;

constexpr std::chrono::seconds deadline{10};

std::unique_ptr<v1::Operator::Stub> connect(const OutputOptions& output) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return v1::Operator::NewStub(grpc::CreateCustomChannel(
      "unix:" + output.socket, grpc::InsecureChannelCredentials(), arguments));
}

Code code_of(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::INVALID_ARGUMENT:
      return Code::invalid;
    case grpc::StatusCode::NOT_FOUND:
      return Code::not_found;
    case grpc::StatusCode::ALREADY_EXISTS:
      return Code::exists;
    case grpc::StatusCode::PERMISSION_DENIED:
      return Code::denied;
    case grpc::StatusCode::UNAVAILABLE:
      return Code::unavailable;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Code::timeout;
    default:
      return Code::internal;
  }
}

// One call with a deadline; a failure names the socket when nobody answers there.
template <class Request, class Response>
Result<Response> call(const OutputOptions& output,
                      grpc::Status (v1::Operator::Stub::*method)(grpc::ClientContext*,
                                                                 const Request&, Response*),
                      const Request& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + deadline);
  Response response;
  const auto stub = connect(output);
  const grpc::Status status = ((*stub).*method)(&context, request, &response);
  if (status.ok()) return response;
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE)
    return fail(Code::unavailable, "no gateway answers at " + output.socket +
                                       "; is `gateway serve` running, and are you root?");
  return fail(code_of(status.error_code()), status.error_message());
}

json as_json(const v1::SandboxRecord& record) {
  return {{"id", record.id()},
          {"name", record.name()},
          {"created_at_ms", record.created_at_ms()},
          {"policy_version", record.policy_version()},
          {"policy_hash", record.policy_hash()},
          {"policy_status", record.policy_status()},
          {"providers",
           std::vector<std::string>(record.providers().begin(), record.providers().end())}};
}

json as_json(const v1::ProviderRecord& record) {
  return {
      {"id", record.id()},
      {"name", record.name()},
      {"type", record.type()},
      {"created_at_ms", record.created_at_ms()},
      {"credentials", std::vector<std::string>(record.credential_names().begin(),
                                               record.credential_names().end())},
      {"bindings", std::vector<std::string>(record.bindings().begin(), record.bindings().end())}};
}

template <class List>
std::string joined(const List& list) {
  std::string text;
  for (const std::string& item : list) text += (text.empty() ? "" : ", ") + item;
  return text;
}

void print_sandboxes(const OutputOptions& output, const std::vector<v1::SandboxRecord>& records) {
  if (output.json) {
    json list = json::array();
    for (const auto& record : records) list.push_back(as_json(record));
    std::printf("%s\n", list.dump(2).c_str());
    return;
  }
  Table table({"NAME", "ID", "POLICY", "STATUS", "PROVIDERS"});
  for (const auto& record : records)
    table.add({record.name(), record.id(),
               record.policy_hash().empty() ? "none" : record.policy_hash().substr(0, 12),
               record.policy_status().empty() ? "-" : record.policy_status(),
               joined(record.providers())});
  table.print();
}

void print_done(const OutputOptions& output, const json& answer, const std::string& sentence) {
  std::printf("%s\n", output.json ? answer.dump(2).c_str() : sentence.c_str());
}

Result<> issue_token(const OutputOptions& output, const std::string& name, const std::string& out) {
  v1::SandboxName request;
  request.set_name(name);
  TRY_ASSIGN(v1::IssuedToken issued, call(output, &v1::Operator::Stub::IssueToken, request));
  const Secret token = Secret::take(*issued.mutable_token());
  if (!out.empty()) return replace_file(out, token.reveal(), 0600);
  std::printf("%.*s\n", static_cast<int>(token.size()), token.reveal().data());
  return {};
}

Result<Secret> read_credentials(const std::string& from_file) {
  if (from_file != "-") return read_secret_file(from_file, 65536);
  std::string text{std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  return Secret::take(text);
}

Result<> add_config(const std::vector<std::string>& entries, v1::CreateProviderRequest& request) {
  for (const std::string& entry : entries) {
    const auto equals = entry.find('=');
    if (equals == std::string::npos)
      return fail(Code::invalid, "--config " + entry + ": expected NAME=VALUE");
    (*request.mutable_config())[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  return {};
}

v1::Attachment attachment(const std::string& sandbox, const std::string& provider) {
  v1::Attachment request;
  request.set_sandbox(sandbox);
  request.set_provider(provider);
  return request;
}

}  // namespace

Result<> sandbox_create(const OutputOptions& output, const SandboxCreate& options) {
  v1::CreateSandboxRequest request;
  request.set_name(options.name);
  if (!options.policy_file.empty()) {
    TRY_ASSIGN(*request.mutable_policy_yaml(),
               read_file(options.policy_file, netproxy::policy_file_limit));
    request.set_policy_file(options.policy_file);
  }
  for (const std::string& provider : options.providers) request.add_providers(provider);
  TRY_ASSIGN(const v1::SandboxRecord record,
             call(output, &v1::Operator::Stub::CreateSandbox, request));
  if (!options.token_out.empty()) TRY(issue_token(output, options.name, options.token_out));
  if (output.json)
    std::printf("%s\n", as_json(record).dump(2).c_str());
  else
    print_sandboxes(output, {record});
  return {};
}

Result<> sandbox_list(const OutputOptions& output) {
  TRY_ASSIGN(const auto response,
             call(output, &v1::Operator::Stub::ListSandboxes, v1::ListSandboxesRequest()));
  print_sandboxes(output, {response.sandboxes().begin(), response.sandboxes().end()});
  return {};
}

Result<> sandbox_get(const OutputOptions& output, const std::string& name) {
  v1::SandboxName request;
  request.set_name(name);
  TRY_ASSIGN(const v1::SandboxRecord record,
             call(output, &v1::Operator::Stub::GetSandbox, request));
  if (output.json)
    std::printf("%s\n", as_json(record).dump(2).c_str());
  else
    print_sandboxes(output, {record});
  return {};
}

Result<> sandbox_delete(const OutputOptions& output, const std::string& name) {
  v1::SandboxName request;
  request.set_name(name);
  TRY_ASSIGN(const auto response, call(output, &v1::Operator::Stub::DeleteSandbox, request));
  print_done(output, {{"deleted", response.deleted()}},
             "deleted " + name + "; its tokens are dead");
  return {};
}

Result<> sandbox_token(const OutputOptions& output, const std::string& name,
                       const std::string& out) {
  return issue_token(output, name, out);
}

Result<> provider_create(const OutputOptions& output, const ProviderCreate& options) {
  TRY_ASSIGN(const Secret text, read_credentials(options.from_file));
  TRY_ASSIGN(ProviderValues values,
             parse_provider_file(text.reveal(), options.from_file, options.type));
  v1::CreateProviderRequest request;
  request.set_name(options.name);
  request.set_type(options.type);
  for (const auto& [name, value] : values.credentials)
    (*request.mutable_credentials())[name] = std::string(value.reveal());
  for (const auto& [name, value] : values.config) (*request.mutable_config())[name] = value;
  TRY(add_config(options.config, request));
  for (const std::string& binding : options.bindings) request.add_bindings(binding);
  const Result<v1::ProviderRecord> record =
      call(output, &v1::Operator::Stub::CreateProvider, request);
  for (auto& [name, value] : *request.mutable_credentials()) wipe(value.data(), value.size());
  if (!record) return tl::unexpected(record.error());
  print_done(output, as_json(*record),
             "provider " + options.name + " made; its secrets are stored encrypted");
  return {};
}

Result<> provider_list(const OutputOptions& output) {
  TRY_ASSIGN(const auto response,
             call(output, &v1::Operator::Stub::ListProviders, v1::ListProvidersRequest()));
  if (output.json) {
    json list = json::array();
    for (const auto& record : response.providers()) list.push_back(as_json(record));
    std::printf("%s\n", list.dump(2).c_str());
    return {};
  }
  Table table({"NAME", "TYPE", "CREDENTIALS", "BOUND TO"});
  for (const auto& record : response.providers())
    table.add({record.name(), record.type(), joined(record.credential_names()),
               joined(record.bindings())});
  table.print();
  return {};
}

Result<> provider_delete(const OutputOptions& output, const std::string& name) {
  v1::ProviderName request;
  request.set_name(name);
  TRY_ASSIGN(const auto response, call(output, &v1::Operator::Stub::DeleteProvider, request));
  print_done(output, {{"deleted", response.deleted()}}, "deleted " + name);
  return {};
}

Result<> provider_attach(const OutputOptions& output, const std::string& sandbox,
                         const std::string& provider) {
  TRY_ASSIGN(const auto response,
             call(output, &v1::Operator::Stub::AttachProvider, attachment(sandbox, provider)));
  print_done(output, {{"attached", response.changed()}},
             response.changed() ? "attached" : "was attached already");
  return {};
}

Result<> provider_detach(const OutputOptions& output, const std::string& sandbox,
                         const std::string& provider) {
  TRY_ASSIGN(const auto response,
             call(output, &v1::Operator::Stub::DetachProvider, attachment(sandbox, provider)));
  print_done(output, {{"detached", response.changed()}},
             response.changed() ? "detached" : "was not attached");
  return {};
}

}  // namespace keyward::gateway
