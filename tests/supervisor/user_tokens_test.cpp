// Users' tokens for exchanges, from a gateway that gives them, refuses them, or goes away.
#include "supervisor/user_tokens.hpp"

#include <atomic>

#include "session_fixture.hpp"

using namespace keyward;
using namespace keyward::supervisor;

namespace {

identity::Grant grant_of(const std::string& credential) {
  identity::Grant grant;
  grant.subject.credential = credential;
  return grant;
}

Code code_of(const Result<identity::SubjectToken>& answer) {
  REQUIRE_FALSE(answer.has_value());
  return answer.error().code;
}

}  // namespace

TEST_CASE("user tokens: asked for by the names of the grant, one at a time") {
  UserTokens users;
  CHECK(code_of(users.subject_for(grant_of("p:token"))) == Code::precondition);
  identity::TokenSlot slot;
  slot.set(tests::held(fresh_token()));
  FakeGateway gateway;
  std::vector<std::string> asked;
  grpc::Status status = grpc::Status::OK;
  std::int64_t expires = 0;
  std::string token = "token-of-anna";
  gateway.subject = [&](const auto& request, auto& response) {
    asked.push_back(request.sandbox_id() + " " + request.provider() + " " + request.credential());
    if (status.ok()) response.set_token(token);
    response.set_expires_at_ms(expires);
    return status;
  };
  identity::GatewayEndpoint endpoint;
  endpoint.url = gateway.url();
  const auto client = identity::GatewayClient::connect(endpoint, slot).value();
  users.ask([&](const auto& provider, const auto& credential) {
    return client->get_subject_token({tests::sandbox_id, provider, credential});
  });
  const auto first = users.subject_for(grant_of("p:token"));
  REQUIRE_MESSAGE(first.has_value(), first.error().what);
  CHECK(first->token.reveal() == "token-of-anna");
  CHECK_FALSE(first->expires.has_value());
  expires = 1'800'000'000'000;
  CHECK(users.subject_for(grant_of("p:token"))->expires ==
        TimePoint(std::chrono::milliseconds(expires)));
  CHECK(asked.size() == 2);  // nothing is held
  CHECK(asked[0] == tests::sandbox_id + " p token");

  const struct {
    grpc::StatusCode status;
    Code code;
  } cases[] = {{grpc::StatusCode::FAILED_PRECONDITION, Code::unavailable},
               {grpc::StatusCode::NOT_FOUND, Code::unavailable},
               {grpc::StatusCode::UNAVAILABLE, Code::unavailable},
               {grpc::StatusCode::PERMISSION_DENIED, Code::denied},
               {grpc::StatusCode::UNIMPLEMENTED, Code::unsupported}};
  for (const auto& c : cases) {
    status = grpc::Status(c.status, "no token");
    const auto answer = users.subject_for(grant_of("p:token"));
    CHECK(code_of(answer) == c.code);
    CHECK(answer.error().what.find("no token") != std::string::npos);
  }
  status = grpc::Status::OK;
  token.clear();
  CHECK(code_of(users.subject_for(grant_of("p:token"))) == Code::invalid);
  client->cancel();
  CHECK_FALSE(users.subject_for(grant_of("p:token")).has_value());
}

TEST_CASE("user tokens: who is replaced is asked no more") {
  UserTokens users;
  std::atomic<bool> under_way = false, ended = false;
  users.ask([&](const auto&, const auto&) {
    under_way = true;
    std::this_thread::sleep_for(50ms);
    ended = true;
    return identity::UserToken{Secret("user"), std::nullopt};
  });
  std::jthread asking([&] { (void)users.subject_for(grant_of("p:token")); });
  CHECK(comes_true([&] { return under_way.load(); }));
  users.ask(nullptr);
  CHECK(ended);
  CHECK(code_of(users.subject_for(grant_of("p:token"))) == Code::precondition);
}
