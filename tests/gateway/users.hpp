#pragma once
// A server with users: the bearers "admin" and "user" are taken for what they say.

#include "gateway/rpc/services.hpp"
#include "server.hpp"

namespace keyward::gateway {

class TestUsers final : public Authenticator {
 public:
  Verdict authenticate(std::string_view bearer, const Presented&, TimePoint) override {
    if (bearer != "admin" && bearer != "user") return identity::Declined();
    Principal principal;
    principal.kind = PrincipalKind::user;
    principal.user = {std::string(bearer), "", "oidc", {}, Role::user, {}};
    if (bearer == "admin") principal.user.role = Role::admin;
    return principal;
  }
};

struct UsersServer : TestGateway {
  AuthenticatorChain chain = both();
  ServiceDeps deps{*store, issuer, chain, *audit, clock, metrics, limits, logs, sessions};
  std::unique_ptr<RunningServer> server =
      *start_sandbox_server({"127.0.0.1:0", nullptr, std::chrono::milliseconds(20)}, deps);
  std::shared_ptr<grpc::Channel> channel = grpc::CreateChannel(
      "127.0.0.1:" + std::to_string(server->port()), grpc::InsecureChannelCredentials());
  std::unique_ptr<v1::OpenShell::Stub> stub = v1::OpenShell::NewStub(channel);

  template <class Stub, class Request, class Response>
  std::pair<grpc::Status, Response> call(Stub& service,
                                         grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                      const Request&, Response*),
                                         const std::string& token, const Request& request) {
    grpc::ClientContext context;
    prepare(context, token);
    Response response;
    grpc::Status status = (service.*method)(&context, request, &response);
    return {std::move(status), std::move(response)};
  }
  template <class Request, class Response>
  std::pair<grpc::Status, Response> call(
      grpc::Status (v1::OpenShell::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
      const std::string& token, const Request& request) {
    return call(*stub, method, token, request);
  }

 private:
  AuthenticatorChain both() {
    std::vector<std::unique_ptr<Authenticator>> links;
    links.push_back(std::make_unique<TestUsers>());
    links.push_back(std::make_unique<SandboxAuthenticator>(ring, issuer.rules(), *store));
    return AuthenticatorChain(std::move(links));
  }
};

// A network rule for one host, on port 443.
inline openshell::sandbox::v1::NetworkPolicyRule rule_for(const std::string& host) {
  openshell::sandbox::v1::NetworkPolicyRule rule;
  auto& endpoint = *rule.add_endpoints();
  endpoint.set_host(host);
  endpoint.set_port(443);
  return rule;
}

}  // namespace keyward::gateway
