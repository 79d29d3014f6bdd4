#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "gateway/authz/guard.hpp"
#include "gateway/rpc/sandbox_service.hpp"
#include "gateway/rpc/status.hpp"
#include "netproxy/endpoint_binding.hpp"
#include "netproxy/policy/policy.hpp"
#include "netproxy/policy/yaml.hpp"
#include "operator.grpc.pb.h"
#include "proto/policy_wire.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = keyward::operators::v1;

constexpr std::size_t max_name = 63;

// A DNS label, since names become host names and paths elsewhere.
Result<> check_name(std::string_view kind, const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  if (!name.empty() && name.size() <= max_name && name.front() != '-' && name.back() != '-' &&
      std::all_of(name.begin(), name.end(), allowed))
    return {};
  return fail(Code::invalid,
              std::string(kind) + " name must be 1 to 63 of a-z, 0-9 and -, not at the ends");
}

Result<> check_variable(const std::string& name, const std::string& value) {
  const auto allowed = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (name.empty() || !std::all_of(name.begin(), name.end(), allowed) ||
      name.starts_with("OPENSHELL_") || name.starts_with("KEYWARD_"))
    return fail(Code::invalid,
                "provider: " + name.substr(0, 64) + " is no variable that a sandbox may get");
  if (value.empty() || value.size() > 8192 ||
      value.find_first_of(std::string_view("\0\r\n", 3)) != std::string::npos)
    return fail(Code::invalid,
                "provider: the value of " + name + " is empty, too long, or holds NUL, CR or LF");
  return {};
}

Result<ProviderRow> provider_row(const v1::CreateProviderRequest& request, TimePoint now) {
  TRY(check_name("provider", request.name()));
  ProviderRow row{random_uuid(), request.name(), request.type(), now, {}, {}, {}};
  if (row.type.empty() || request.credentials_size() == 0)
    return fail(Code::invalid, "provider: type and credentials are needed");
  for (const auto& [name, value] : request.credentials()) {
    TRY(check_variable(name, value));
    row.credentials.emplace(name, Secret(value));
  }
  for (const auto& [name, value] : request.config()) {
    TRY(check_variable(name, value));
    row.config.emplace(name, value);
  }
  for (const std::string& text : request.bindings()) {
    TRY_ASSIGN([[maybe_unused]] const netproxy::EndpointBinding binding,
               netproxy::parse_binding(text));
    row.bindings.push_back(text);
  }
  if (row.bindings.empty())
    return fail(Code::invalid,
                "provider: --bind HOST[:PORT][/PATH] is needed; credentials that are bound to no "
                "endpoint are usable nowhere");
  return row;
}

Result<SandboxRow> sandbox_row(const v1::CreateSandboxRequest& request, TimePoint now) {
  TRY(check_name("sandbox", request.name()));
  SandboxRow row{random_uuid(), request.name(), now, "", "", 0, ""};
  if (request.policy_yaml().empty()) return row;
  TRY_ASSIGN(const netproxy::PolicyModel model,
             netproxy::parse_policy(request.policy_yaml(), request.policy_file()));
  TRY_ASSIGN([[maybe_unused]] const netproxy::Policy compiled,
             netproxy::compile(model));  // what cannot be decided is refused here
  row.policy = wire::to_wire(model).SerializeAsString();
  row.policy_hash = hex(sha256(row.policy));
  row.policy_version = 1;
  return row;
}

class OperatorService final : public v1::Operator::Service {
 public:
  explicit OperatorService(ServiceDeps deps) : deps_(deps) {}

  grpc::Status CreateSandbox(grpc::ServerContext*, const v1::CreateSandboxRequest* request,
                             v1::SandboxRecord* response) override {
    return answer("CreateSandbox", [&]() -> Result<> {
      TRY_ASSIGN(const SandboxRow row, sandbox_row(*request, deps_.clock.now()));
      TRY(deps_.store.create_sandbox(row,
                                     {request->providers().begin(), request->providers().end()}));
      return fill(row, *response);
    });
  }

  grpc::Status ListSandboxes(grpc::ServerContext*, const v1::ListSandboxesRequest*,
                             v1::ListSandboxesResponse* response) override {
    return answer("ListSandboxes", [&]() -> Result<> {
      TRY_ASSIGN(const auto rows, deps_.store.sandboxes());
      for (const SandboxRow& row : rows) TRY(fill(row, *response->add_sandboxes()));
      return {};
    });
  }

  grpc::Status GetSandbox(grpc::ServerContext*, const v1::SandboxName* request,
                          v1::SandboxRecord* response) override {
    return answer("GetSandbox", [&]() -> Result<> {
      TRY_ASSIGN(const SandboxRow row, deps_.store.sandbox_by_name(request->name()));
      return fill(row, *response);
    });
  }

  grpc::Status DeleteSandbox(grpc::ServerContext*, const v1::SandboxName* request,
                             v1::DeleteSandboxResponse* response) override {
    return answer("DeleteSandbox", [&]() -> Result<> {
      TRY_ASSIGN(const bool deleted, deps_.store.delete_sandbox(request->name()));
      if (!deleted) return fail(Code::not_found, "sandbox '" + request->name() + "' not found");
      response->set_deleted(true);
      return {};
    });
  }

  grpc::Status IssueToken(grpc::ServerContext*, const v1::SandboxName* request,
                          v1::IssuedToken* response) override {
    return answer("IssueToken", [&]() -> Result<> {
      TRY_ASSIGN(const SandboxRow row, deps_.store.sandbox_by_name(request->name()));
      TRY_ASSIGN(const IssuedToken issued, deps_.issuer.issue(row.id, deps_.clock.now()));
      response->set_token(std::string(issued.token.reveal()));
      response->set_expires_at_ms(issued.expires.time_since_epoch().count());
      response->set_sandbox_id(row.id);
      return {};
    });
  }

  grpc::Status CreateProvider(grpc::ServerContext*, const v1::CreateProviderRequest* request,
                              v1::ProviderRecord* response) override {
    return answer("CreateProvider", [&]() -> Result<> {
      TRY_ASSIGN(const ProviderRow row, provider_row(*request, deps_.clock.now()));
      TRY(deps_.store.create_provider(row));
      fill(row, *response);
      return {};
    });
  }

  grpc::Status ListProviders(grpc::ServerContext*, const v1::ListProvidersRequest*,
                             v1::ListProvidersResponse* response) override {
    return answer("ListProviders", [&]() -> Result<> {
      TRY_ASSIGN(const auto rows, deps_.store.providers());
      for (const ProviderRow& row : rows) fill(row, *response->add_providers());
      return {};
    });
  }

  grpc::Status DeleteProvider(grpc::ServerContext*, const v1::ProviderName* request,
                              v1::DeleteProviderResponse* response) override {
    return answer("DeleteProvider", [&]() -> Result<> {
      TRY_ASSIGN(const bool deleted, deps_.store.delete_provider(request->name()));
      if (!deleted) return fail(Code::not_found, "provider '" + request->name() + "' not found");
      response->set_deleted(true);
      return {};
    });
  }

  grpc::Status AttachProvider(grpc::ServerContext*, const v1::Attachment* request,
                              v1::AttachmentResult* response) override {
    return answer("AttachProvider", [&]() -> Result<> {
      TRY_ASSIGN(const bool changed, deps_.store.attach(request->sandbox(), request->provider()));
      response->set_changed(changed);
      return {};
    });
  }

  grpc::Status DetachProvider(grpc::ServerContext*, const v1::Attachment* request,
                              v1::AttachmentResult* response) override {
    return answer("DetachProvider", [&]() -> Result<> {
      TRY_ASSIGN(const bool changed, deps_.store.detach(request->sandbox(), request->provider()));
      response->set_changed(changed);
      return {};
    });
  }

 private:
  // The socket is the proof: it accepts root only (gateway/rpc/server.cpp).
  template <class Handle>
  grpc::Status answer(const char* name, Handle handle) {
    const Result<> allowed = authorize({PrincipalKind::operator_, "", ""}, Method::operator_, "");
    const Result<> done = allowed ? handle() : allowed;
    deps_.audit.record({name, "operator", "", done ? nullptr : &done.error()});
    return done ? grpc::Status::OK : to_status(done.error());
  }

  Result<> fill(const SandboxRow& row, v1::SandboxRecord& record) {
    TRY_ASSIGN(const auto providers, deps_.store.providers_of(row.id));
    record.set_id(row.id);
    record.set_name(row.name);
    record.set_created_at_ms(row.created.time_since_epoch().count());
    record.set_policy_version(row.policy_version);
    record.set_policy_hash(row.policy_hash);
    record.set_policy_status(row.policy_status);
    for (const ProviderRow& provider : providers) record.add_providers(provider.name);
    return {};
  }

  static void fill(const ProviderRow& row, v1::ProviderRecord& record) {
    record.set_id(row.id);
    record.set_name(row.name);
    record.set_type(row.type);
    record.set_created_at_ms(row.created.time_since_epoch().count());
    for (const auto& [name, value] : row.credentials) record.add_credential_names(name);
    for (const auto& [name, value] : row.config) (*record.mutable_config())[name] = value;
    for (const std::string& binding : row.bindings) record.add_bindings(binding);
  }

  ServiceDeps deps_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_operator_service(ServiceDeps deps) {
  return std::make_unique<OperatorService>(deps);
}

}  // namespace keyward::gateway
