// The gateway's own trouble with the Kubernetes API is never told to who presents a token.
#include "gateway/k8s/api.hpp"

#include <doctest/doctest.h>

#include "base/file.hpp"
#include "gateway/rpc/status.hpp"
#include "tests/support/http_service.hpp"
#include "tests/support/test_directory.hpp"

using namespace keyward;
using namespace keyward::gateway;

TEST_CASE("kubernetes api: what fails on our side is `unavailable`, and says nothing to callers") {
  const tests::TestDirectory directory;
  REQUIRE(create_file(directory / "token", "own", 0600));
  int status = 500;
  std::string body = "{}";
  tests::HttpService server([&](const std::string&) { return tests::Reply{status, body}; });
  std::string base = "http://127.0.0.1:" + std::to_string(server.url().port);
  std::string token_file = directory / "token";
  Code pod_code = Code::unavailable;
  SUBCASE("its own token is not there") { token_file = directory / "none"; }
  SUBCASE("its own token is a directory") { token_file = directory.path(); }
  SUBCASE("nobody listens") { base = "http://127.0.0.1:1"; }
  SUBCASE("the URL is none") { base = "::"; }
  SUBCASE("an error of the server's") { status = 500; }
  SUBCASE("it refuses the gateway") { status = 403; }
  SUBCASE("no JSON") { status = 200, body = "x"; }
  SUBCASE("no such pod") { status = 404, pod_code = Code::not_found; }
  const auto api = make_kubernetes_api({base, "", token_file});
  const auto pod = api->pod("boxes", "box");
  REQUIRE_FALSE(pod);
  CHECK(pod.error().code == pod_code);
  if (pod_code == Code::not_found) return;
  for (const Error& error : {pod.error(), api->review("token").error()}) {
    CHECK(error.code == Code::unavailable);
    CHECK(to_status(error).error_message().find("127.0.0.1") == std::string::npos);
    CHECK(to_status(error).error_message().find("token") == std::string::npos);
  }
}
