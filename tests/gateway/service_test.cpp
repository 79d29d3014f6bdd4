// What a supervisor tells its gateway, and how often anybody may call.
#include <algorithm>
#include <thread>

#include "server.hpp"

using namespace keyward;
using namespace keyward::gateway;

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

TEST_CASE("server: methods that there are not, and messages that are none, have a code") {
  TestGateway gateway;
  CallLimits limits{RateLimiter({0, 0}), RateLimiter({1, 8})};
  const ServiceDeps deps{*gateway.store, gateway.issuer, gateway.authenticators,
                         *gateway.audit, gateway.clock,  gateway.metrics,
                         limits,         gateway.logs,   gateway.sessions};
  auto server =
      *start_sandbox_server({"127.0.0.1:0", nullptr, std::chrono::milliseconds(5000)}, deps);
  using grpc::StatusCode;
  const auto call = [&](const std::string& method, const std::string& message = "") {
    return raw_call(server->port(), method, message).first;
  };
  const auto trail = [&] { return slurp(gateway.directory / "audit.jsonl"); };
  for (const char* method : {"/openshell.v1.OpenShell/NoSuchMethod", "/no.such.Service/Method"}) {
    const grpc::Status status = call(method, "abc");
    CHECK(status.error_code() == StatusCode::UNIMPLEMENTED);
    CHECK(status.error_message() == "unknown method");
    CHECK(trail().find("\"operation\":\"" + std::string(method) + "\"") != std::string::npos);
  }
  CHECK(trail().find(R"("src_endpoint":{"ip":"127.0.0.1"})") != std::string::npos);
  const std::size_t before = trail().size();
  CHECK(call("/" + std::string(10'000, 'x') + "/y").error_code() == StatusCode::UNIMPLEMENTED);
  CHECK(trail().size() - before < 1000);
  const std::string known = "/openshell.v1.OpenShell/GetSandboxConfig";
  struct Unserved {
    std::string message;
    StatusCode code;
    const char* reason;
  };
  const std::string large = "\x0a\x84\x80\x40" + std::string((1 << 20) + 4, 'x');  // field 1
  for (const Unserved& unserved :
       {Unserved{large, StatusCode::RESOURCE_EXHAUSTED, "the message has 1048584 bytes"},
        Unserved{"\xff\xff\xff", StatusCode::INTERNAL, "none of this method's"}}) {
    for (const auto& [token, caller] :
         {std::pair(std::string(), std::string("anonymous")),
          std::pair(gateway.token(gateway.a), "sandbox:" + gateway.a.id)}) {
      const std::size_t recorded = trail().size();
      CHECK(raw_call(server->port(), known, unserved.message, token).first.error_code() ==
            unserved.code);
      const std::string record = trail().substr(recorded);
      CHECK(std::count(record.begin(), record.end(), '\n') == 1);
      CHECK(record.find("\"operation\":\"GetSandboxConfig\"") != std::string::npos);
      CHECK(record.find(caller) != std::string::npos);
      CHECK(record.find(unserved.reason) != std::string::npos);
    }
  }
  CHECK(call(known, std::string((4 << 20) + 1, 'x')).error_code() ==
        StatusCode::RESOURCE_EXHAUSTED);
  CHECK(call(known).error_code() == StatusCode::UNAUTHENTICATED);  // it goes on
  // The limit of unauthenticated calls is one for all of them.
  CHECK(call("/a/b").error_code() == StatusCode::UNIMPLEMENTED);
  CHECK(call("/a/b").error_code() == StatusCode::UNIMPLEMENTED);
  const std::size_t full = trail().size();
  CHECK(call("/a/b").error_code() == StatusCode::RESOURCE_EXHAUSTED);
  CHECK(call(known).error_code() == StatusCode::RESOURCE_EXHAUSTED);
  CHECK(trail().size() == full);
  CHECK(gateway.metrics.text().find("method=\"unknown\",code=\"UNIMPLEMENTED\"} 5") !=
        std::string::npos);
}

TEST_CASE("server: who calls too often is told so, and nobody else suffers") {
  TestGateway gateway;
  CallLimits limits{RateLimiter({1, 3}), RateLimiter({1, 2})};
  const ServiceDeps deps{*gateway.store, gateway.issuer, gateway.authenticators,
                         *gateway.audit, gateway.clock,  gateway.metrics,
                         limits,         gateway.logs,   gateway.sessions};
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
