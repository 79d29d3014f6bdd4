// That the guard stands before each method of the services: by the services' own descriptors, so
// that none is forgotten.
#include <map>

#include "gateway/authz/guard.hpp"
#include "inference.pb.h"
#include "server.hpp"

using namespace keyward;
using namespace keyward::gateway;
using grpc::StatusCode;

namespace {

std::map<std::string, const google::protobuf::MethodDescriptor*> served_methods() {
  std::map<std::string, const google::protobuf::MethodDescriptor*> methods;
  for (const auto* file :
       {v1::HealthRequest::descriptor()->file(),
        openshell::inference::v1::GetInferenceBundleRequest::descriptor()->file()})
    for (int i = 0; i < file->service_count(); ++i)
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        const auto* method = file->service(i)->method(j);
        methods["/" + file->service(i)->full_name() + "/" + method->name()] = method;
      }
  return methods;
}

Access access_of(const std::string& method) {
  for (const MethodRule& rule : method_rules())
    if (rule.method == method) return rule.access;
  FAIL("no rule for " << method);
  return Access::operator_socket;
}

}  // namespace

TEST_CASE("wiring: every method refuses whom the guard refuses") {
  TestServer gateway;
  const std::string token = gateway.token(gateway.a);
  const auto methods = served_methods();
  CHECK(methods.size() > 40);
  for (const auto& [path, method] : methods) {
    CAPTURE(path);
    const Access access = access_of(method->name());
    const auto [anonymous, nothing] = raw_call(gateway.server->port(), path, "");
    if (access == Access::everyone) {
      CHECK(anonymous.ok());
      continue;
    }
    CHECK(anonymous.error_code() == StatusCode::UNAUTHENTICATED);
    if (access != Access::user) continue;
    const auto [sandbox, none] = raw_call(gateway.server->port(), path, "", token);
    CHECK(sandbox.error_code() == StatusCode::PERMISSION_DENIED);
    CHECK(sandbox.error_message() == "sandbox principals may not call this method");
  }
}
