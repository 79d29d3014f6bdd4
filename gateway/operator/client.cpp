#include "gateway/operator/client.hpp"

#include "gateway/operator/channel.hpp"
#include "operator.grpc.pb.h"

namespace keyward::gateway {
namespace {

namespace v1 = keyward::operators::v1;

TimePoint time_of(std::int64_t value) { return TimePoint(std::chrono::milliseconds(value)); }

SandboxInfo info_of(const v1::SandboxRecord& record) {
  SandboxInfo info;
  info.id = record.id();
  info.name = record.name();
  info.policy_hash = record.policy_hash();
  info.policy_status = record.policy_status();
  info.policy_version = record.policy_version();
  info.created = time_of(record.created_at_ms());
  info.providers = {record.providers().begin(), record.providers().end()};
  if (record.has_exit_code()) info.exit_code = record.exit_code();
  info.exited = time_of(record.exited_at_ms());
  return info;
}

ProviderInfo info_of(const v1::ProviderRecord& record) {
  return {record.id(),
          record.name(),
          record.type(),
          time_of(record.created_at_ms()),
          {record.credential_names().begin(), record.credential_names().end()},
          {record.bindings().begin(), record.bindings().end()},
          {record.config().begin(), record.config().end()},
          {record.derived_keys().services().begin(), record.derived_keys().services().end()},
          {record.derived_keys().regions().begin(), record.derived_keys().regions().end()}};
}

PolicyInfo info_of(const v1::PolicyRecord& record) {
  PolicyInfo info;
  info.version = record.version();
  info.hash = record.hash();
  info.status = record.status();
  info.load_error = record.load_error();
  info.created = time_of(record.created_at_ms());
  info.yaml = record.policy_yaml();
  info.needs_restart = record.needs_restart();
  return info;
}

template <class Request>
void fill_credentials(const NewProvider& provider, Request& request) {
  for (const auto& [name, value] : provider.credentials)
    (*request.mutable_credentials())[name] = std::string(value.reveal());
  request.mutable_config()->insert(provider.config.begin(), provider.config.end());
}
template <class Request>
void wipe_credentials(Request& request) {
  for (auto& [name, value] : *request.mutable_credentials()) wipe(value.data(), value.size());
}

class Client final : public OperatorClient {
 public:
  Client(std::string path, const std::shared_ptr<grpc::Channel>& channel)
      : path_(std::move(path)), stub_(v1::Operator::NewStub(channel)) {}

  Result<SandboxInfo> create_sandbox(const NewSandbox& sandbox) override {
    v1::CreateSandboxRequest request;
    request.set_name(sandbox.name);
    request.set_policy_yaml(sandbox.policy_yaml);
    request.set_policy_file(sandbox.policy_file);
    for (const std::string& provider : sandbox.providers) request.add_providers(provider);
    v1::SandboxRecord record;
    TRY(call(&v1::Operator::Stub::CreateSandbox, request, record));
    return info_of(record);
  }

  Result<std::vector<SandboxInfo>> sandboxes() override {
    v1::ListSandboxesResponse response;
    TRY(call(&v1::Operator::Stub::ListSandboxes, v1::ListSandboxesRequest(), response));
    std::vector<SandboxInfo> rows;
    for (const auto& record : response.sandboxes()) rows.push_back(info_of(record));
    return rows;
  }

  Result<SandboxInfo> sandbox(const std::string& name) override {
    v1::SandboxRecord record;
    TRY(call(&v1::Operator::Stub::GetSandbox, sandbox_name(name), record));
    return info_of(record);
  }

  Result<bool> delete_sandbox(const std::string& name) override {
    v1::DeleteSandboxResponse response;
    TRY(call(&v1::Operator::Stub::DeleteSandbox, sandbox_name(name), response));
    return response.deleted();
  }

  Result<TokenInfo> issue_token(const std::string& sandbox) override {
    v1::IssuedToken response;
    TRY(call(&v1::Operator::Stub::IssueToken, sandbox_name(sandbox), response));
    return TokenInfo{Secret::take(*response.mutable_token()), response.sandbox_id(),
                     time_of(response.expires_at_ms())};
  }

  Result<std::vector<LogLineInfo>> logs(const std::string& sandbox, std::uint64_t after) override {
    v1::GetLogsRequest request;
    request.set_sandbox(sandbox);
    request.set_after(after);
    v1::GetLogsResponse response;
    TRY(call(&v1::Operator::Stub::GetLogs, request, response));
    std::vector<LogLineInfo> lines;
    for (const auto& line : response.lines())
      lines.push_back({line.number(),
                       time_of(line.timestamp_ms()),
                       line.level(),
                       line.target(),
                       line.message(),
                       {line.fields().begin(), line.fields().end()}});
    return lines;
  }

  Result<PolicyInfo> set_policy(const NewPolicy& policy) override {
    v1::SetPolicyRequest request;
    request.set_sandbox(policy.sandbox);
    request.set_policy_yaml(policy.yaml);
    request.set_policy_file(policy.file);
    v1::PolicyRecord record;
    TRY(call(&v1::Operator::Stub::SetPolicy, request, record));
    return info_of(record);
  }

  Result<std::vector<PolicyInfo>> policies(const std::string& sandbox) override {
    v1::ListPoliciesResponse response;
    TRY(call(&v1::Operator::Stub::ListPolicies, sandbox_name(sandbox), response));
    std::vector<PolicyInfo> rows;
    for (const auto& record : response.policies()) rows.push_back(info_of(record));
    return rows;
  }

  Result<PolicyInfo> policy(const std::string& sandbox, std::uint32_t version) override {
    v1::PolicyName request;
    request.set_sandbox(sandbox);
    request.set_version(version);
    v1::PolicyRecord record;
    TRY(call(&v1::Operator::Stub::GetPolicy, request, record));
    return info_of(record);
  }

  Result<ProviderInfo> create_provider(const NewProvider& provider) override {
    v1::CreateProviderRequest request;
    request.set_name(provider.name);
    request.set_type(provider.type);
    fill_credentials(provider, request);
    for (const std::string& binding : provider.bindings) request.add_bindings(binding);
    if (provider.derived_keys) {
      v1::DerivedKeyScopes& scopes = *request.mutable_derived_keys();
      for (const std::string& service : provider.derived_services) scopes.add_services(service);
      for (const std::string& region : provider.derived_regions) scopes.add_regions(region);
    }
    v1::ProviderRecord record;
    const Result<> done = call(&v1::Operator::Stub::CreateProvider, request, record);
    wipe_credentials(request);
    if (!done) return tl::unexpected(done.error());
    return info_of(record);
  }

  Result<ProviderInfo> update_provider(const NewProvider& provider) override {
    v1::UpdateProviderRequest request;
    request.set_name(provider.name);
    fill_credentials(provider, request);
    v1::ProviderRecord record;
    const Result<> done = call(&v1::Operator::Stub::UpdateProvider, request, record);
    wipe_credentials(request);
    if (!done) return tl::unexpected(done.error());
    return info_of(record);
  }

  Result<std::vector<ProviderInfo>> providers() override {
    v1::ListProvidersResponse response;
    TRY(call(&v1::Operator::Stub::ListProviders, v1::ListProvidersRequest(), response));
    std::vector<ProviderInfo> rows;
    for (const auto& record : response.providers()) rows.push_back(info_of(record));
    return rows;
  }

  Result<bool> delete_provider(const std::string& name) override {
    v1::ProviderName request;
    request.set_name(name);
    v1::DeleteProviderResponse response;
    TRY(call(&v1::Operator::Stub::DeleteProvider, request, response));
    return response.deleted();
  }

  Result<bool> attach(const std::string& sandbox, const std::string& provider) override {
    return change(&v1::Operator::Stub::AttachProvider, sandbox, provider);
  }
  Result<bool> detach(const std::string& sandbox, const std::string& provider) override {
    return change(&v1::Operator::Stub::DetachProvider, sandbox, provider);
  }

 private:
  static v1::SandboxName sandbox_name(const std::string& name) {
    v1::SandboxName request;
    request.set_name(name);
    return request;
  }

  template <class Method, class Request, class Response>
  Result<> call(Method method, const Request& request, Response& response) {
    return result_of(operator_call(*stub_, method, request, response), path_);
  }

  template <class Method>
  Result<bool> change(Method method, const std::string& sandbox, const std::string& provider) {
    v1::Attachment request;
    request.set_sandbox(sandbox);
    request.set_provider(provider);
    v1::AttachmentResult response;
    TRY(call(method, request, response));
    return response.changed();
  }

  std::string path_;
  std::unique_ptr<v1::Operator::Stub> stub_;
};

}  // namespace

Result<std::unique_ptr<OperatorClient>> OperatorClient::connect(const std::string& socket_path) {
  TRY_ASSIGN(const auto channel, operator_channel(socket_path));
  return std::make_unique<Client>(socket_path, channel);
}

}  // namespace keyward::gateway
