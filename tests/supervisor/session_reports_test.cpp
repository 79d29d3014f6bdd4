// What a session owes its gateway and itself: reports that arrive, a refresh that goes on.
#include <algorithm>

#include "session_fixture.hpp"

using namespace keyward;
using namespace keyward::supervisor;

TEST_CASE("gateway session: a policy's status is reported until the gateway takes it") {
  int refused = 0;
  SessionFixture f;
  f.gateway.report = [&](const auto&) {
    ++refused;
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "not now");
  };
  const auto session = f.start();
  REQUIRE(session.has_value());
  f.change([&] { f.protocol_override = "websocket", f.config_revision = 2; });
  REQUIRE(comes_true([&] {
    const std::lock_guard lock(f.gateway.mutex);
    return refused >= 4 && !f.allows("a.example.com");
  }));
  f.change([&] { f.gateway.report = [](const auto&) { return grpc::Status::OK; }; });
  REQUIRE(comes_true([&] {
    const std::lock_guard lock(f.gateway.mutex);
    return f.gateway.reports.size() >= 2;
  }));
  const std::lock_guard lock(f.gateway.mutex);
  CHECK(f.gateway.reports[0].version() == 1);
  CHECK(f.gateway.reports[0].status() == tests::v1::POLICY_STATUS_LOADED);
  CHECK(f.gateway.reports[1].version() == 2);
  CHECK(f.gateway.reports[1].status() == tests::v1::POLICY_STATUS_FAILED);
}

TEST_CASE("gateway session: a report that the gateway will never take is not repeated") {
  std::vector<std::uint32_t> versions;
  SessionFixture f;
  f.gateway.report = [&](const auto& request) {
    versions.push_back(request.version());
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such revision");
  };
  const auto session = f.start();
  REQUIRE(session.has_value());
  f.change([&] { f.host = "b.example.com", f.config_revision = 2; });
  REQUIRE(comes_true([&] { return f.allows("b.example.com"); }));
  f.change([&] { f.host = "c.example.com", f.config_revision = 3; });
  REQUIRE(comes_true([&] {
    const std::lock_guard lock(f.gateway.mutex);
    return versions.size() >= 3;
  }));
  const std::lock_guard lock(f.gateway.mutex);
  CHECK(versions == std::vector<std::uint32_t>{1, 2, 3});
}

TEST_CASE("gateway session: the program's end is reported again while there is time") {
  std::vector<int> codes;
  SessionFixture f;
  auto status = grpc::StatusCode::UNAVAILABLE;
  std::size_t failures = 2;
  f.gateway.exit = [&](const auto& request) {
    codes.push_back(request.exit_code());
    return codes.size() > failures ? grpc::Status::OK : grpc::Status(status, "not now");
  };
  const auto session = f.start();
  REQUIRE(session.has_value());
  std::size_t least = 3, most = 3;
  SUBCASE("it is taken at the third attempt") {}
  SUBCASE("never: it gives up") {
    failures = 1000;
    most = 19;
  }
  SUBCASE("refused: once is enough") {
    status = grpc::StatusCode::PERMISSION_DENIED;
    least = most = 1;
  }
  (*session)->report_exit(7);
  const std::lock_guard lock(f.gateway.mutex);
  CHECK(codes.size() >= least);
  CHECK(codes.size() <= most);
  CHECK(std::count(codes.begin(), codes.end(), 7) == static_cast<long>(codes.size()));
}

TEST_CASE("gateway session: a start after an end in the middle of a refresh repeats it first") {
  const Secret old = fresh_token(), next = fresh_token();
  std::string id;
  int refreshes = 0;
  SessionFixture f;
  const identity::TokenFile file(f.directory / "token");
  REQUIRE(file.write(*tests::held(old)));
  id = file.begin_refresh(*tests::held(old));  // ... and the gateway has ended the old token
  f.settings.token_file = f.directory / "token";
  const auto only_next = [&](const Call& call) {
    return call.token == next.reveal()
               ? grpc::Status::OK
               : grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "refreshed");
  };
  f.gateway.refresh = [&](const Call& call, auto& response) {
    if (++refreshes == 1) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "starting");
    if (call.token != old.reveal() || call.refresh_id != id)
      return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "refreshed");
    response.set_token(std::string(next.reveal()));
    return grpc::Status::OK;
  };
  const auto config = f.gateway.config;
  f.gateway.config = [&, config](const Call& call, auto& response) {
    const grpc::Status status = only_next(call);
    return status.ok() ? config(call, response) : status;
  };
  const auto session = f.start(Secret());
  REQUIRE(session.has_value());
  CHECK(f.allows("a.example.com"));
  CHECK(file.read().value()->bearer.equals(next.reveal()));
  CHECK_FALSE(file.has_pending_refresh(*tests::held(old)));
}
