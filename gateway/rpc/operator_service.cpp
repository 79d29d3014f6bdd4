#include <grpcpp/grpcpp.h>

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "gateway/authz/guard.hpp"
#include "gateway/issue/derived_keys.hpp"
#include "gateway/rpc/call_context.hpp"
#include "gateway/rpc/names.hpp"
#include "gateway/rpc/policy_rows.hpp"
#include "gateway/rpc/providers.hpp"
#include "gateway/rpc/services.hpp"
#include "gateway/rpc/status.hpp"
#include "operator.grpc.pb.h"

namespace keyward::gateway {
namespace {

namespace v1 = keyward::operators::v1;

constexpr std::size_t answer_limit = std::size_t{1} << 20;  // bytes

void fill_record(const PolicyRow& row, v1::PolicyRecord& record) {
  record.set_version(row.version);
  record.set_hash(row.hash);
  record.set_created_at_ms(unix_millis(row.created));
  record.set_status(row.status);
  record.set_load_error(row.load_error);
}

void fill_record(const LogLine& line, v1::LogLine& wire) {
  wire.set_number(line.number);
  wire.set_timestamp_ms(unix_millis(line.time));
  wire.set_level(line.level);
  wire.set_target(line.target);
  wire.set_message(line.message);
  wire.mutable_fields()->insert(line.fields.begin(), line.fields.end());
}

void fill_record(const ProviderOutline& row, v1::ProviderRecord& record) {
  record.set_id(row.id);
  record.set_name(row.name);
  record.set_type(row.type);
  record.set_created_at_ms(unix_millis(row.created));
  for (const std::string& name : row.variables) record.add_credential_names(name);
  record.mutable_config()->insert(row.config.begin(), row.config.end());
  for (const std::string& binding : row.bindings) record.add_bindings(binding);
  if (row.derived_keys.empty()) return;
  v1::DerivedKeyScopes& scopes = *record.mutable_derived_keys();
  scopes.mutable_services()->Assign(row.derived_keys.services.begin(),
                                    row.derived_keys.services.end());
  scopes.mutable_regions()->Assign(row.derived_keys.regions.begin(),
                                   row.derived_keys.regions.end());
}

ProviderRow provider_row(v1::CreateProviderRequest& request) {
  ProviderRow row;
  row.name = request.name();
  row.type = request.type();
  for (auto& [name, value] : *request.mutable_credentials())
    row.credentials.emplace(name, Secret::take(value));
  row.config.insert(request.config().begin(), request.config().end());
  row.bindings.assign(request.bindings().begin(), request.bindings().end());
  const v1::DerivedKeyScopes& scopes = request.derived_keys();
  row.derived_keys.services.assign(scopes.services().begin(), scopes.services().end());
  row.derived_keys.regions.assign(scopes.regions().begin(), scopes.regions().end());
  return row;
}

// A running program keeps what it was started with.
Result<bool> changes_static_part(const std::string& before, const PolicyRow& after) {
  if (before.empty()) return false;
  TRY_ASSIGN(const WirePolicy old, read_policy(before));
  TRY_ASSIGN(const WirePolicy next, read_policy(after.policy));
  return !same_static_part(old, next);
}

class OperatorService final : public v1::Operator::Service {
 public:
  explicit OperatorService(ServiceDeps deps) : deps_(deps) {}

  grpc::Status CreateSandbox(grpc::ServerContext*, const v1::CreateSandboxRequest* request,
                             v1::SandboxRecord* response) override {
    return answer({"CreateSandbox", request->name()}, [&]() -> Result<> {
      TRY(check_name("sandbox", request->name()));
      NewSandboxRow row{random_uuid(), request->name(), deps_.clock.now(), {}};
      if (!request->policy_yaml().empty()) {  // without one the supervisor denies everything
        TRY_ASSIGN(row.policy,
                   policy_row(request->policy_yaml(), request->policy_file(), row.created));
        row.policy->version = 1;
      }
      TRY(deps_.store.create_sandbox(row,
                                     {request->providers().begin(), request->providers().end()}));
      TRY_ASSIGN(const SandboxRow made, deps_.store.sandbox_by_id(row.id));
      return fill(made, *response);
    });
  }

  grpc::Status ListSandboxes(grpc::ServerContext*, const v1::ListSandboxesRequest*,
                             v1::ListSandboxesResponse* response) override {
    return answer({"ListSandboxes", ""}, [&]() -> Result<> {
      TRY_ASSIGN(const auto rows, deps_.store.sandboxes());
      for (const SandboxRow& row : rows) TRY(fill(row, *response->add_sandboxes()));
      return {};
    });
  }

  grpc::Status GetSandbox(grpc::ServerContext*, const v1::SandboxName* request,
                          v1::SandboxRecord* response) override {
    return answer({"GetSandbox", request->name()}, [&]() -> Result<> {
      TRY_ASSIGN(const SandboxRow row, deps_.store.sandbox_by_name(request->name()));
      return fill(row, *response);
    });
  }

  grpc::Status DeleteSandbox(grpc::ServerContext*, const v1::SandboxName* request,
                             v1::DeleteSandboxResponse* response) override {
    return answer({"DeleteSandbox", request->name()}, [&]() -> Result<> {
      const auto sandbox = deps_.store.sandbox_by_name(request->name());
      if (!sandbox && sandbox.error().code == Code::not_found) return {};
      if (!sandbox) return tl::unexpected(sandbox.error());
      TRY_ASSIGN(const bool deleted, deps_.store.delete_sandbox_by_id(sandbox->id));
      deps_.logs.forget(sandbox->id);
      response->set_deleted(deleted);
      return {};
    });
  }

  grpc::Status IssueToken(grpc::ServerContext*, const v1::SandboxName* request,
                          v1::IssuedToken* response) override {
    return answer({"IssueToken", request->name()}, [&]() -> Result<> {
      TRY_ASSIGN(const SandboxRow row, deps_.store.sandbox_by_name(request->name()));
      TRY_ASSIGN(const IssuedToken issued, deps_.issuer.issue(row.id, deps_.clock.now()));
      response->set_token(std::string(issued.token.reveal()));
      response->set_expires_at_ms(unix_millis(issued.expires));
      response->set_sandbox_id(row.id);
      return {};
    });
  }

  grpc::Status GetLogs(grpc::ServerContext*, const v1::GetLogsRequest* request,
                       v1::GetLogsResponse* response) override {
    return answer({"GetLogs", request->sandbox()}, [&]() -> Result<> {
      TRY_ASSIGN(const SandboxRow sandbox, deps_.store.sandbox_by_name(request->sandbox()));
      for (const LogLine& line : deps_.logs.lines(sandbox.id, request->after())) {
        if (response->ByteSizeLong() > answer_limit) break;  // the rest: asked for by its number
        fill_record(line, *response->add_lines());
      }
      return {};
    });
  }

  grpc::Status SetPolicy(grpc::ServerContext*, const v1::SetPolicyRequest* request,
                         v1::PolicyRecord* response) override {
    return answer({"SetPolicy", request->sandbox()}, [&]() -> Result<> {
      TRY_ASSIGN(const SandboxRow sandbox, deps_.store.sandbox_by_name(request->sandbox()));
      TRY_ASSIGN(PolicyRow row,
                 policy_row(request->policy_yaml(), request->policy_file(), deps_.clock.now()));
      TRY_ASSIGN(const std::uint32_t version, deps_.store.add_policy(sandbox.id, row));
      TRY_ASSIGN(const PolicyRow stored, find_policy(sandbox, version));
      fill_record(stored, *response);
      TRY_ASSIGN(const bool needs_restart, changes_static_part(sandbox.policy, row));
      response->set_needs_restart(needs_restart);
      return {};
    });
  }

  grpc::Status ListPolicies(grpc::ServerContext*, const v1::SandboxName* request,
                            v1::ListPoliciesResponse* response) override {
    return answer({"ListPolicies", request->name()}, [&]() -> Result<> {
      TRY_ASSIGN(const SandboxRow sandbox, deps_.store.sandbox_by_name(request->name()));
      TRY_ASSIGN(const auto rows, deps_.store.policies(sandbox.id));
      for (const PolicyRow& row : rows) fill_record(row, *response->add_policies());
      return {};
    });
  }

  grpc::Status GetPolicy(grpc::ServerContext*, const v1::PolicyName* request,
                         v1::PolicyRecord* response) override {
    return answer({"GetPolicy", request->sandbox()}, [&]() -> Result<> {
      TRY_ASSIGN(const SandboxRow sandbox, deps_.store.sandbox_by_name(request->sandbox()));
      if (sandbox.policy_version == 0)
        return fail(Code::not_found, "sandbox '" + sandbox.name + "' has no policy");
      TRY_ASSIGN(const PolicyRow row,
                 find_policy(sandbox, request->version() == 0 ? sandbox.policy_version
                                                              : request->version()));
      fill_record(row, *response);
      response->set_policy_yaml(row.source);
      return {};
    });
  }

  grpc::Status CreateProvider(grpc::ServerContext*, const v1::CreateProviderRequest* request,
                              v1::ProviderRecord* response) override {
    return answer({"CreateProvider", request->name()}, [&]() -> Result<> {
      v1::CreateProviderRequest copy = *request;
      ProviderRow row = provider_row(copy);
      row.id = random_uuid();
      row.created = deps_.clock.now();
      if (request->has_derived_keys()) TRY(check_derived_keys(row));  // also where they are empty
      TRY_ASSIGN(const auto profile, check_provider(deps_.store, row));
      TRY(deps_.store.create_provider(row, profile));
      TRY_ASSIGN(const ProviderOutline made, deps_.store.outline_by_name(row.name));
      fill_record(made, *response);
      return {};
    });
  }

  grpc::Status UpdateProvider(grpc::ServerContext*, const v1::UpdateProviderRequest* request,
                              v1::ProviderRecord* response) override {
    return answer({"UpdateProvider", request->name()}, [&]() -> Result<> {
      openshell::v1::UpdateProviderRequest change;
      change.mutable_provider()->mutable_metadata()->set_name(request->name());
      *change.mutable_provider()->mutable_credentials() = request->credentials();
      *change.mutable_provider()->mutable_config() = request->config();
      for (const auto& [name, value] :
           request->credentials())  // when the old one ended says nothing
        (*change.mutable_credential_expires_at_ms())[name] = 0;
      TRY_ASSIGN(const ProviderOutline stored, change_provider(deps_.store, change));
      fill_record(stored, *response);
      return {};
    });
  }

  grpc::Status ListProviders(grpc::ServerContext*, const v1::ListProvidersRequest*,
                             v1::ListProvidersResponse* response) override {
    return answer({"ListProviders", ""}, [&]() -> Result<> {
      TRY_ASSIGN(const auto rows, deps_.store.outlines());
      for (const ProviderOutline& row : rows) fill_record(row, *response->add_providers());
      return {};
    });
  }

  grpc::Status DeleteProvider(grpc::ServerContext*, const v1::ProviderName* request,
                              v1::DeleteProviderResponse* response) override {
    return answer({"DeleteProvider", request->name()}, [&]() -> Result<> {
      TRY_ASSIGN(const bool deleted, deps_.store.delete_provider(request->name()));
      response->set_deleted(deleted);
      return {};
    });
  }

  grpc::Status AttachProvider(grpc::ServerContext*, const v1::Attachment* request,
                              v1::AttachmentResult* response) override {
    return answer({"AttachProvider", request->sandbox() + "/" + request->provider()},
                  [&]() -> Result<> {
                    TRY_ASSIGN(const bool changed,
                               deps_.store.attach(request->sandbox(), request->provider()));
                    response->set_changed(changed);
                    return {};
                  });
  }

  grpc::Status DetachProvider(grpc::ServerContext*, const v1::Attachment* request,
                              v1::AttachmentResult* response) override {
    return answer({"DetachProvider", request->sandbox() + "/" + request->provider()},
                  [&]() -> Result<> {
                    TRY_ASSIGN(const bool changed,
                               deps_.store.detach(request->sandbox(), request->provider()));
                    response->set_changed(changed);
                    return {};
                  });
  }

 private:
  Result<PolicyRow> find_policy(const SandboxRow& sandbox, std::uint32_t version) {
    auto row = deps_.store.policy(sandbox.id, version);
    if (row || row.error().code != Code::not_found) return row;
    return fail(Code::not_found, "sandbox '" + sandbox.name + "' has no revision " +
                                     std::to_string(version) + "; see: gateway policy list " +
                                     sandbox.name);
  }

  Result<> fill(const SandboxRow& row, v1::SandboxRecord& record) {
    record.set_id(row.id);
    record.set_name(row.name);
    record.set_created_at_ms(unix_millis(row.created));
    record.set_policy_version(row.policy_version);
    record.set_policy_hash(row.policy_hash);
    record.set_policy_status(row.policy_status);
    if (row.exit) {
      record.set_exit_code(row.exit->code);
      record.set_exited_at_ms(unix_millis(row.exit->time));
    }
    TRY_ASSIGN(const auto providers, deps_.store.provider_names_of(row.id));
    for (const std::string& provider : providers) record.add_providers(provider);
    return {};
  }
  // Only root reaches this service: OperatorSocket asks the kernel before a connection is served.
  struct Asked {
    const char* name;
    std::string target;
  };
  template <class Handle>
  grpc::Status answer(const Asked& asked, Handle handle) {
    const Result<> allowed = authorize({PrincipalKind::operator_, "", ""}, "operator");
    const Result<> done = allowed ? handle() : allowed;
    deps_.audit.record({asked.name, "operator", "", done ? nullptr : &done.error(), asked.target});
    if (!done && is_own_trouble(done.error()))
      log::error("request_failed", {{"method", asked.name}, {"detail", done.error().what}});
    return done ? grpc::Status::OK : to_status(done.error());
  }

  ServiceDeps deps_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_operator_service(ServiceDeps deps) {
  return std::make_unique<OperatorService>(deps);
}

}  // namespace keyward::gateway
