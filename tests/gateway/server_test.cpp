// The two servers over real sockets, in this process.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "gateway/certgen/certgen.hpp"
#include "gateway/operator/client.hpp"
#include "gateway/rpc/server.hpp"
#include "openshell.grpc.pb.h"
#include "support.hpp"

using namespace keyward;
using namespace keyward::gateway;
namespace v1 = openshell::v1;

namespace {

constexpr const char* policy = R"(version: 1
network_policies:
  storage:
    endpoints:
      - host: s3.eu-west-1.amazonaws.com
        port: 443
        protocol: rest
        access: read-only
        credential_signing: sigv4
        signing_service: s3
)";

struct TestServer : TestGateway {
  ServiceDeps deps{*store, issuer, authenticator, *audit, clock, metrics, limits, logs};
  std::unique_ptr<RunningServer> server;

  explicit TestServer(std::unique_ptr<ServerTls> tls = nullptr) {
    SandboxServerSettings settings{"127.0.0.1:0", std::move(tls), std::chrono::milliseconds(20)};
    auto started = start_sandbox_server(settings, deps);
    REQUIRE(started);
    server = std::move(*started);
  }
  std::unique_ptr<v1::OpenShell::Stub> plain() const {
    return v1::OpenShell::NewStub(grpc::CreateChannel("127.0.0.1:" + std::to_string(server->port()),
                                                      grpc::InsecureChannelCredentials()));
  }
};

void prepare(grpc::ClientContext& context, const std::string& token) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
}

grpc::Status get_config(v1::OpenShell::Stub& stub, const std::string& token, const std::string& id,
                        openshell::sandbox::v1::GetSandboxConfigResponse* response = nullptr) {
  grpc::ClientContext context;
  prepare(context, token);
  openshell::sandbox::v1::GetSandboxConfigRequest request;
  request.set_sandbox_id(id);
  openshell::sandbox::v1::GetSandboxConfigResponse unused;
  return stub.GetSandboxConfig(&context, request, response == nullptr ? &unused : response);
}

std::pair<grpc::Status, std::string> refresh(v1::OpenShell::Stub& stub, const std::string& token,
                                             const std::string& refresh_id) {
  grpc::ClientContext context;
  prepare(context, token);
  if (!refresh_id.empty()) context.AddMetadata("x-keyward-refresh-id", refresh_id);
  v1::RefreshSandboxTokenResponse response;
  const grpc::Status status =
      stub.RefreshSandboxToken(&context, v1::RefreshSandboxTokenRequest(), &response);
  return {status, response.token()};
}

std::unique_ptr<ServerTls> tls_of(const std::string& directory) {
  return std::make_unique<ServerTls>(ServerTls{slurp(directory + "/server/tls.crt"),
                                               Secret(slurp(directory + "/server/tls.key")), ""});
}

grpc::Status health_over_tls(int port, const std::string& ca) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = ca;
  const auto stub = v1::OpenShell::NewStub(
      grpc::CreateChannel("localhost:" + std::to_string(port), grpc::SslCredentials(options)));
  grpc::ClientContext context;
  prepare(context, "");
  v1::HealthResponse response;
  return stub->Health(&context, v1::HealthRequest(), &response);
}

// A call whose messages are given as bytes: the standard services have no stub here.
std::pair<grpc::Status, std::string> raw_call(int port, const std::string& method,
                                              const std::string& request) {
  grpc::GenericStub stub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  prepare(context, "");
  grpc::CompletionQueue queue;
  const grpc::Slice slice(request);
  const grpc::ByteBuffer bytes(&slice, 1);
  const auto reader = stub.PrepareUnaryCall(&context, method, bytes, &queue);
  reader->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  reader->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  REQUIRE(queue.Next(&tag, &ok));
  std::vector<grpc::Slice> slices;
  std::string text;
  if (status.ok() && response.Dump(&slices).ok())
    for (const grpc::Slice& part : slices)
      text.append(reinterpret_cast<const char*>(part.begin()), part.size());
  return {status, text};
}

}  // namespace

TEST_CASE("server: a sandbox reads its own configuration and nobody else's") {
  TestServer gateway;
  const auto stub = gateway.plain();
  const std::string token = gateway.token(gateway.a);
  CHECK(get_config(*stub, token, gateway.a.id).ok());
  for (const std::string& id : {gateway.b.id, random_uuid(), std::string()}) {
    CAPTURE(id);
    const grpc::Status refused = get_config(*stub, token, id);
    CHECK(refused.error_code() == grpc::StatusCode::PERMISSION_DENIED);
    CHECK(refused.error_message() ==
          "cross-sandbox access denied: principal does not own this sandbox");
  }
  CHECK(get_config(*stub, "", gateway.a.id).error_code() == grpc::StatusCode::UNAUTHENTICATED);
  CHECK(get_config(*stub, "junk", gateway.a.id).error_code() == grpc::StatusCode::UNAUTHENTICATED);
  const std::string trail = slurp(gateway.directory / "audit.jsonl");
  CHECK(trail.find("cross-sandbox access denied") != std::string::npos);
  CHECK(trail.find(token) == std::string::npos);
}

TEST_CASE("server: the standard health service, and reflection, answer anybody") {
  TestServer gateway;
  const auto [health, serving] =
      raw_call(gateway.server->port(), "/grpc.health.v1.Health/Check", "");
  CHECK(health.ok());
  CHECK(serving == "\x08\x01");  // status: SERVING
  const auto [listed, services] =
      raw_call(gateway.server->port(),
               "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
  CHECK(listed.ok());  // list_services
  CHECK(services.find("openshell.v1.OpenShell") != std::string::npos);
  CHECK(services.find("Operator") == std::string::npos);
  CHECK(raw_call(gateway.server->port(), "/openshell.v1.OpenShell/NoSuchMethod", "")
            .first.error_code() == grpc::StatusCode::UNIMPLEMENTED);
}

TEST_CASE("server: who calls too often is told so, and nobody else suffers") {
  TestGateway gateway;
  CallLimits limits{RateLimiter({1, 3}), RateLimiter({1, 2})};
  const ServiceDeps deps{*gateway.store, gateway.issuer, gateway.authenticator,
                         *gateway.audit, gateway.clock,  gateway.metrics,
                         limits};
  auto server =
      *start_sandbox_server({"127.0.0.1:0", nullptr, std::chrono::milliseconds(5000)}, deps);
  const auto stub = v1::OpenShell::NewStub(grpc::CreateChannel(
      "127.0.0.1:" + std::to_string(server->port()), grpc::InsecureChannelCredentials()));
  const std::string of_a = gateway.token(gateway.a), of_b = gateway.token(gateway.b);
  using grpc::StatusCode;
  const auto code = [&](const std::string& token, const std::string& id) {
    return get_config(*stub, token, id).error_code();
  };
  for (int i = 0; i < 3; ++i) CHECK(code(of_a, gateway.a.id) == StatusCode::OK);
  CHECK(code(of_a, gateway.a.id) == StatusCode::RESOURCE_EXHAUSTED);
  CHECK(code(of_b, gateway.b.id) == StatusCode::OK);
  for (int i = 0; i < 2; ++i) CHECK(code("junk", gateway.a.id) == StatusCode::UNAUTHENTICATED);
  CHECK(code("junk", gateway.a.id) == StatusCode::RESOURCE_EXHAUSTED);
  CHECK(code("", gateway.a.id) == StatusCode::RESOURCE_EXHAUSTED);
  CHECK(code(of_b, gateway.b.id) == StatusCode::OK);  // from the same address
  const std::string trail = slurp(gateway.directory / "audit.jsonl");
  CHECK(std::count(trail.begin(), trail.end(), '\n') == 7);
  gateway.clock.time += std::chrono::seconds(2);
  CHECK(code(of_a, gateway.a.id) == StatusCode::OK);
  CHECK(code("junk", gateway.a.id) == StatusCode::UNAUTHENTICATED);
}

TEST_CASE("server: a sandbox's log lines come from itself, and with a token that is alive") {
  TestServer gateway;
  const auto stub = gateway.plain();
  const std::string token = gateway.token(gateway.a);
  v1::PushSandboxLogsRequest mine, foreign, nameless, huge;
  mine.set_sandbox_id(gateway.a.id);
  mine.add_logs()->set_message("hello");
  foreign.set_sandbox_id(gateway.b.id);
  foreign.add_logs()->set_message("forged");
  nameless.add_logs()->set_message("nobody's");
  huge.set_sandbox_id(gateway.a.id);
  for (int i = 0; i < 501; ++i) huge.add_logs()->set_message("x");
  struct {
    const char* what;
    std::vector<const v1::PushSandboxLogsRequest*> batches;
    grpc::StatusCode code;
  } const cases[] = {
      {"own lines, and a batch without an id", {&nameless, &mine, &mine}, grpc::StatusCode::OK},
      {"nothing", {}, grpc::StatusCode::OK},
      {"another's", {&foreign}, grpc::StatusCode::PERMISSION_DENIED},
      {"another's later", {&mine, &foreign}, grpc::StatusCode::PERMISSION_DENIED},
      {"too many", {&huge}, grpc::StatusCode::INVALID_ARGUMENT}};
  for (const auto& c : cases) {
    CAPTURE(c.what);
    grpc::ClientContext context;
    prepare(context, token);
    v1::PushSandboxLogsResponse response;
    const auto stream = stub->PushSandboxLogs(&context, &response);
    for (const auto* batch : c.batches) stream->Write(*batch);
    stream->WritesDone();
    CHECK(stream->Finish().error_code() == c.code);
  }
  CHECK(gateway.logs.lines(gateway.a.id, 0).size() == 3);
  CHECK(gateway.logs.lines(gateway.b.id, 0).empty());

  grpc::ClientContext context;
  prepare(context, token);
  v1::PushSandboxLogsResponse response;
  const auto stream = stub->PushSandboxLogs(&context, &response);
  REQUIRE(stream->Write(mine));
  for (int i = 0; i < 500 && gateway.logs.lines(gateway.a.id, 0).size() == 3; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  REQUIRE(gateway.logs.lines(gateway.a.id, 0).size() == 4);
  REQUIRE(refresh(*stub, token, "").first.ok());  // what the stream began with is dead
  stream->Write(mine);
  stream->WritesDone();
  CHECK(stream->Finish().error_code() == grpc::StatusCode::ABORTED);
  CHECK(gateway.logs.lines(gateway.a.id, 0).size() == 4);
}

TEST_CASE("server: what a supervisor reports") {
  TestServer gateway;
  const auto stub = gateway.plain();
  const std::string token = gateway.token(gateway.a);
  PolicyRow policy;
  policy.hash = "h";
  REQUIRE(gateway.store->add_policy(gateway.a.id, policy));
  const auto report_policy = [&](std::uint32_t version, v1::PolicyStatus status) {
    grpc::ClientContext context;
    prepare(context, token);
    v1::ReportPolicyStatusRequest request;
    request.set_sandbox_id(gateway.a.id);
    request.set_version(version);
    request.set_status(status);
    v1::ReportPolicyStatusResponse response;
    return stub->ReportPolicyStatus(&context, request, &response).error_code();
  };
  CHECK(report_policy(0, v1::POLICY_STATUS_LOADED) == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(report_policy(1, v1::POLICY_STATUS_PENDING) == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(report_policy(2, v1::POLICY_STATUS_LOADED) == grpc::StatusCode::NOT_FOUND);
  CHECK(report_policy(1, v1::POLICY_STATUS_FAILED) == grpc::StatusCode::OK);
  CHECK(gateway.store->policies(gateway.a.id)->at(0).load_error == "no reason was given");
  CHECK(report_policy(1, v1::POLICY_STATUS_LOADED) == grpc::StatusCode::OK);
  CHECK(gateway.store->sandbox_by_id(gateway.a.id)->policy_status == "loaded");

  const auto report_exit = [&](const std::string& id, const std::string& instance) {
    grpc::ClientContext context;
    prepare(context, token);
    v1::ReportMainProcessExitRequest request;
    request.set_sandbox_id(id);
    request.set_instance_id(instance);
    request.set_exit_code(137);
    v1::ReportMainProcessExitResponse response;
    return stub->ReportMainProcessExit(&context, request, &response).error_code();
  };
  CHECK(report_exit(gateway.a.id, "") == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(report_exit(gateway.a.id, std::string(129, 'i')) == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(report_exit(gateway.b.id, "i") == grpc::StatusCode::PERMISSION_DENIED);
  CHECK_FALSE(gateway.store->sandbox_by_id(gateway.a.id)->exit);
  CHECK(report_exit(gateway.a.id, "i") == grpc::StatusCode::OK);
  CHECK(gateway.store->sandbox_by_id(gateway.a.id)->exit->code == 137);
}

TEST_CASE("server: refresh replaces the token") {
  TestServer gateway;
  const auto stub = gateway.plain();
  const std::string old = gateway.token(gateway.a);
  const auto [done, fresh] = refresh(*stub, old, "");
  REQUIRE(done.ok());
  CHECK(get_config(*stub, old, gateway.a.id).error_code() == grpc::StatusCode::UNAUTHENTICATED);
  CHECK(refresh(*stub, old, "").first.error_code() == grpc::StatusCode::UNAUTHENTICATED);
  CHECK(get_config(*stub, fresh, gateway.a.id).ok());

  const auto [lost, lost_token] = refresh(*stub, fresh, "id-7");
  REQUIRE(lost.ok());
  const auto [repeated, kept] = refresh(*stub, fresh, "id-7");
  REQUIRE(repeated.ok());
  CHECK_FALSE(get_config(*stub, lost_token, gateway.a.id).ok());
  CHECK(get_config(*stub, kept, gateway.a.id).ok());
  CHECK_FALSE(refresh(*stub, fresh, "id-7").first.ok());
}

TEST_CASE("server: the operator's socket, from policy to provider environment") {
  TestServer gateway;
  const std::string path = gateway.directory / "run/operator.sock";
  const auto operators = start_operator_server(path, gateway.deps);
  REQUIRE(operators);
  struct stat status{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  const auto client = OperatorClient::connect(path);
  REQUIRE(client);

  NewProvider provider;
  provider.name = "prod";
  provider.type = "aws";
  provider.credentials.emplace("AWS_ACCESS_KEY_ID", Secret("AKIDEXAMPLE"));
  provider.credentials.emplace("AWS_SECRET_ACCESS_KEY", Secret("test-secret"));
  provider.config["AWS_REGION"] = "eu-west-1";
  CHECK((*client)->create_provider(provider).error().what.find("--bind") != std::string::npos);
  provider.bindings = {"*.amazonaws.com:443"};
  REQUIRE((*client)->create_provider(provider));
  CHECK((*client)->create_provider(provider).error().code == Code::exists);

  CHECK(
      (*client)->create_sandbox({"bad", "version: 1\nnonsense: 2\n", "p.yaml", {}}).error().code ==
      Code::invalid);
  const auto made = (*client)->create_sandbox({"work", policy, "p.yaml", {"prod"}});
  REQUIRE(made);
  CHECK(made->providers == std::vector<std::string>{"prod"});
  const auto issued = (*client)->issue_token("work");
  REQUIRE(issued);
  const std::string token(issued->token.reveal());

  const auto stub = gateway.plain();
  openshell::sandbox::v1::GetSandboxConfigResponse config;
  REQUIRE(get_config(*stub, token, made->id, &config).ok());
  CHECK(config.policy().network_policies().at("storage").endpoints(0).credential_signing() ==
        "sigv4");
  CHECK(config.policy_hash() == made->policy_hash);

  for (const bool bindings : {true, false}) {
    CAPTURE(bindings);
    grpc::ClientContext context;
    prepare(context, token);
    v1::GetSandboxProviderEnvironmentRequest request;
    request.set_sandbox_id(made->id);
    request.set_supports_static_credential_bindings(bindings);
    v1::GetSandboxProviderEnvironmentResponse response;
    REQUIRE(stub->GetSandboxProviderEnvironment(&context, request, &response).ok());
    CHECK(response.environment().at("AWS_REGION") == "eu-west-1");
    CHECK(response.environment().count("AWS_SECRET_ACCESS_KEY") == (bindings ? 1 : 0));
    CHECK(response.static_credential_bindings().count("AWS_ACCESS_KEY_ID") == (bindings ? 1 : 0));
    CHECK(response.provider_env_revision() == config.provider_env_revision());
  }

  provider.name = "second";  // sets the same variables
  REQUIRE((*client)->create_provider(provider));
  CHECK((*client)->attach("work", "second").error().code == Code::invalid);
  CHECK_FALSE((*client)->create_sandbox({"both", "", "", {"prod", "second"}}));

  for (const auto& [version, code] : {std::pair{1U, grpc::StatusCode::OK},
                                      {2U, grpc::StatusCode::NOT_FOUND},
                                      {0U, grpc::StatusCode::INVALID_ARGUMENT}}) {
    grpc::ClientContext context;
    prepare(context, token);
    v1::ReportPolicyStatusRequest request;
    request.set_sandbox_id(made->id);
    request.set_version(version);
    request.set_status(v1::POLICY_STATUS_LOADED);
    v1::ReportPolicyStatusResponse response;
    CHECK(stub->ReportPolicyStatus(&context, request, &response).error_code() == code);
  }
  CHECK((*client)->sandbox("work")->policy_status == "loaded");

  REQUIRE(*(*client)->delete_sandbox("work"));
  CHECK(get_config(*stub, token, made->id).error_code() == grpc::StatusCode::UNAUTHENTICATED);
  CHECK((*client)->issue_token("work").error().code == Code::not_found);
  // A second gateway on the same socket must not take it over.
  CHECK(start_operator_server(path, gateway.deps).error().code == Code::exists);
}

TEST_CASE("server: an operator's directory that others can enter is refused") {
  TestServer gateway;
  const std::string directory = gateway.directory / "run";
  std::filesystem::create_directory(directory);
  std::filesystem::permissions(directory, std::filesystem::perms(0755));
  const auto refused = start_operator_server(directory + "/operator.sock", gateway.deps);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::denied);
}

TEST_CASE("server: TLS by our CA is accepted, by another it is not") {
  TestDirectory directory;
  const TimePoint now = SystemClock().now();
  CertgenOptions ours, other;
  ours.output_dir = directory / "ours";
  other.output_dir = directory / "other";
  REQUIRE(generate_files(ours, now));
  REQUIRE(generate_files(other, now));
  TestServer gateway(tls_of(ours.output_dir));
  CHECK(health_over_tls(gateway.server->port(), slurp(ours.output_dir + "/ca.crt")).ok());
  const grpc::Status refused =
      health_over_tls(gateway.server->port(), slurp(other.output_dir + "/ca.crt"));
  CHECK(refused.error_code() == grpc::StatusCode::UNAVAILABLE);
}

TEST_CASE("server: plaintext is for loopback addresses") {
  TestGateway gateway;
  const ServiceDeps deps{*gateway.store, gateway.issuer,  gateway.authenticator, *gateway.audit,
                         gateway.clock,  gateway.metrics, gateway.limits,        gateway.logs};
  for (const char* listen : {"0.0.0.0:0", "[::]:0", "192.0.2.1:1", "localhost:0", "127.0.0.1"}) {
    CAPTURE(listen);
    const auto refused =
        start_sandbox_server({listen, nullptr, std::chrono::milliseconds(5000)}, deps);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::denied);
  }
}
