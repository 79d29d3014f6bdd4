// The two servers over real sockets, in this process.
#include <sys/stat.h>

#include "gateway/certgen/certgen.hpp"
#include "gateway/operator/client.hpp"
#include "gateway/operator/review.hpp"
#include "server.hpp"

using namespace keyward;
using namespace keyward::gateway;

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

ServerTls texts_of(const std::string& directory) {
  return {slurp(directory + "/server/tls.crt"), Secret(slurp(directory + "/server/tls.key")), ""};
}
std::shared_ptr<LiveTls> tls_of(const std::string& directory) {
  return *LiveTls::create(texts_of(directory));
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
  provider.type = "generic";
  CHECK((*client)->create_provider(provider).error().what.find("--bind") != std::string::npos);
  provider.type = "aws";
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
  CHECK((*client)->attach("work", "second").error().code == Code::precondition);
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
  const auto tls = tls_of(ours.output_dir);
  TestServer gateway(tls);
  const auto trusting = [&](const CertgenOptions& files) {
    return health_over_tls(gateway.server->port(), slurp(files.output_dir + "/ca.crt"))
        .error_code();
  };
  CHECK(trusting(ours) == grpc::StatusCode::OK);
  CHECK(trusting(other) == grpc::StatusCode::UNAVAILABLE);

  // Replaced while it serves; half a pair, and no pair at all, change nothing.
  CHECK(*tls->replace(texts_of(ours.output_dir)) == false);
  ServerTls half = texts_of(ours.output_dir), broken = texts_of(ours.output_dir);
  half.key_pem = Secret(slurp(other.output_dir + "/server/tls.key"));
  broken.certificate_pem.resize(broken.certificate_pem.size() / 2);
  CHECK(tls->replace(half).error().code == Code::invalid);
  CHECK(tls->replace(broken).error().code == Code::invalid);
  CHECK(trusting(ours) == grpc::StatusCode::OK);
  CHECK(*tls->replace(texts_of(other.output_dir)));
  for (int i = 0; i < 300 && trusting(other) != grpc::StatusCode::OK; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  CHECK(trusting(other) == grpc::StatusCode::OK);
  CHECK(trusting(ours) == grpc::StatusCode::UNAVAILABLE);
}

TEST_CASE("server: plaintext is for loopback addresses") {
  TestGateway gateway;
  const ServiceDeps deps{*gateway.store, gateway.issuer, gateway.authenticators,
                         *gateway.audit, gateway.clock,  gateway.metrics,
                         gateway.limits, gateway.logs,   gateway.sessions};
  for (const char* listen : {"0.0.0.0:0", "[::]:0", "192.0.2.1:1", "localhost:0", "127.0.0.1"}) {
    CAPTURE(listen);
    const auto refused =
        start_sandbox_server({listen, nullptr, std::chrono::milliseconds(5000)}, deps);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::denied);
  }
}

TEST_CASE("operator: a profile's grants are imported, shown, and refused line by line") {
  TestServer gateway;
  const std::string path = gateway.directory / "run/operator.sock";
  const auto operators = start_operator_server(path, gateway.deps);
  REQUIRE(operators);
  const auto reviews = ReviewClient::connect(path);
  const auto client = OperatorClient::connect(path);
  REQUIRE(reviews);
  REQUIRE(client);
  const auto profile = [](const std::string& scheme) {
    return R"({"id": "orders", "endpoints": [{"host": "*.orders.example", "port": 443}],
      "credentials": [{"name": "token", "tokenGrant": {"tokenEndpoint": ")" +
           scheme + R"(://login.example/token", "audience": "orders", "audienceOverrides":
      [{"host": "admin.orders.example", "path": "/v1/**", "audience": "admin"}]}},
      {"name": "svid", "authStyle": "header", "headerName": "x-svid",
       "tokenGrant": {"grantType": "raw_svid", "audience": "orders-svid"}}]})";
  };
  const auto refused = (*reviews)->import_profile(profile("http"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("credentials.token.token_grant.token_endpoint: ") !=
        std::string::npos);
  REQUIRE((*reviews)->import_profile(profile("https")));
  const auto profiles = (*reviews)->profiles();
  REQUIRE(profiles);
  const ProfileInfo& shown = profiles->back();
  REQUIRE(shown.grants.size() == 2);
  CHECK(shown.grants[0].grant_type == "client_credentials");
  CHECK(shown.grants[0].server == "https://login.example/token");
  CHECK(shown.grants[0].overrides == std::vector<std::string>{"admin.orders.example/v1/**"});
  CHECK(shown.grants[1].grant_type == "raw_svid");
  CHECK(shown.grants[1].header == "x-svid");

  NewProvider provider;
  provider.name = "shop";
  provider.type = "orders";
  provider.bindings = {"other.example:443"};
  CHECK((*client)->create_provider(provider).error().what.find("--bind") != std::string::npos);
  provider.bindings.clear();
  REQUIRE((*client)->create_provider(provider));
  CHECK(*(*client)->attach("a", "shop"));
  CHECK((*reviews)->delete_profile("orders").error().code == Code::precondition);
  REQUIRE((*client)->create_provider({"shop-2", "orders", {}, {}, {}}));
  const auto both = (*client)->attach("a", "shop-2");
  REQUIRE_FALSE(both);
  CHECK(both.error().code == Code::precondition);
  CHECK(both.error().what.find("shop:token and shop-2:token") != std::string::npos);
}
