#include <sys/stat.h>

#include "base/file.hpp"
#include "tests/support/fake_gateway.hpp"
#include "tests/support/test_directory.hpp"

using namespace keyward;
using namespace keyward::identity;
using tests::fresh_token;

TEST_CASE("token source: the variable comes before the file") {
  const tests::TestDirectory directory;
  const Secret in_variable = fresh_token(), in_file = fresh_token();
  REQUIRE(create_file(directory / "token", in_file.reveal(), 0600).has_value());
  const auto first = acquire_token({in_variable.clone(), directory / "token", ""});
  REQUIRE(first.has_value());
  CHECK(first->token->bearer.equals(in_variable.reveal()));
  CHECK_FALSE(first->file.has_value());
  const auto second = acquire_token({Secret(), directory / "token", ""});
  REQUIRE(second.has_value());
  CHECK(second->token->bearer.equals(in_file.reveal()));
  CHECK(second->token->sandbox_id == tests::sandbox_id);
  CHECK(second->file.has_value());
}

TEST_CASE("token source: blanks around the token are dropped") {
  const tests::TestDirectory directory;
  const Secret token = fresh_token();
  REQUIRE(create_file(directory / "token", " " + std::string(token.reveal()) + "\r\n", 0600)
              .has_value());
  const auto acquired = acquire_token({Secret(), directory / "token", ""});
  REQUIRE(acquired.has_value());
  CHECK(acquired->token->bearer.equals(token.reveal()));
}

TEST_CASE("token source: a refresh keeps its id until its answer is kept") {
  const tests::TestDirectory directory;
  const std::string note = directory / "token.refresh";
  const TokenFile file(directory / "token");
  const auto token = tests::held(fresh_token()), next = tests::held(fresh_token());
  REQUIRE(file.write(*token));
  CHECK_FALSE(file.has_pending_refresh(*token));
  const std::string id = file.begin_refresh(*token);
  CHECK(is_uuid(id));
  struct stat status{};
  REQUIRE(::stat(note.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(read_file(note)->find(token->bearer.reveal()) == std::string::npos);
  CHECK(TokenFile(directory / "token").begin_refresh(*token) == id);  // another run of the program
  CHECK(file.has_pending_refresh(*token));

  SUBCASE("it ends") {
    REQUIRE(file.end_refresh(*next));
    CHECK(file.read().value()->bearer.equals(next->bearer.reveal()));
    CHECK(::stat(note.c_str(), &status) != 0);
    CHECK(file.begin_refresh(*next) != id);
  }
  SUBCASE("another token has another id") { CHECK(file.begin_refresh(*next) != id); }
  SUBCASE("a note that is none, or that others could have written, is not used") {
    const std::string good = read_file(note).value();
    for (const std::string& bad : {std::string(), std::string("x"), good.substr(0, 30), good + good,
                                   token->bearer.fingerprint() + " not-an-id"}) {
      REQUIRE(replace_file(note, bad, 0600));
      CHECK_FALSE(file.has_pending_refresh(*token));
    }
    REQUIRE(replace_file(note, good, 0666));
    CHECK_FALSE(file.has_pending_refresh(*token));
    CHECK(file.begin_refresh(*token) != id);
    CHECK(file.has_pending_refresh(*token));
  }
}

TEST_CASE("token source: errors name the setting and never the token") {
  const tests::TestDirectory directory;
  const std::string secret_text = "hunter2.hunter2.hunter2";
  REQUIRE(create_file(directory / "bad", secret_text, 0600).has_value());
  REQUIRE(create_file(directory / "open", fresh_token().reveal(), 0644).has_value());
  REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
  struct Case {
    const char* name;
    TokenSettings settings;
    const char* names;
  };
  std::vector<Case> cases;
  cases.push_back({"nothing set", {}, "OPENSHELL_SANDBOX_TOKEN_FILE"});
  cases.push_back({"bad variable", {Secret(secret_text), "", ""}, "OPENSHELL_SANDBOX_TOKEN:"});
  cases.push_back({"bad variable, good file not tried",
                   {Secret(secret_text), directory / "open", ""},
                   "OPENSHELL_SANDBOX_TOKEN:"});
  cases.push_back({"bad file", {Secret(), directory / "bad", ""}, "OPENSHELL_SANDBOX_TOKEN_FILE"});
  cases.push_back({"open to others", {Secret(), directory / "open", ""}, "chmod 600"});
  cases.push_back({"missing", {Secret(), directory / "none", ""}, "OPENSHELL_SANDBOX_TOKEN_FILE"});
  cases.push_back({"fifo", {Secret(), directory / "fifo", ""}, "not a regular file"});
  for (Case& c : cases) {
    CAPTURE(c.name);
    const auto acquired = acquire_token(std::move(c.settings));
    REQUIRE_FALSE(acquired.has_value());
    CHECK(acquired.error().what.find(c.names) != std::string::npos);
    CHECK(acquired.error().what.find("hunter2") == std::string::npos);
    CHECK(acquired.error().what.find('\n') == std::string::npos);
  }
}

namespace {

struct Exchange final : RefreshTransport {
  std::string seen;
  Secret answer = fresh_token();
  RpcResult<RefreshedToken> refresh(const std::string&) override {
    return tl::unexpected(RpcError{grpc_internal, "not asked for"});
  }
  RpcResult<RefreshedToken> issue(const Secret& proof) override {
    seen = std::string(proof.reveal());
    return RefreshedToken{answer.clone(), {}};
  }
};

}  // namespace

TEST_CASE("service account: the last setting that is looked at, and read anew for each exchange") {
  const tests::TestDirectory directory;
  const std::string path = directory / "token";
  REQUIRE(create_file(path, "first\n", 0640));
  const auto acquired = acquire_token({Secret(), "", path});
  REQUIRE(acquired);
  CHECK(acquired->token == nullptr);
  REQUIRE(acquired->service_account);
  Exchange gateway;
  const auto token = acquired->service_account->exchange(gateway);
  REQUIRE(token);
  CHECK(gateway.seen == "first");
  CHECK((*token)->bearer.equals(gateway.answer.reveal()));
  REQUIRE(replace_file(path, "second", 0640));
  CHECK(acquired->service_account->exchange(gateway));
  CHECK(gateway.seen == "second");

  REQUIRE(replace_file(path, "\n", 0640));
  CHECK(acquired->service_account->exchange(gateway).error().message.find(path) !=
        std::string::npos);
  REQUIRE(replace_file(path, "third", 0640));
  gateway.answer = Secret("junk");
  CHECK_FALSE(acquired->service_account->exchange(gateway));
  CHECK(ServiceAccountFile(directory / "none").exchange(gateway).error().grpc_code ==
        grpc_not_found);

  REQUIRE(create_file(directory / "own", fresh_token().reveal(), 0600));
  CHECK_FALSE(acquire_token({Secret(), directory / "own", path})->service_account);
}

TEST_CASE("token file: written whole and private, obstacles are named") {
  const tests::TestDirectory directory;
  REQUIRE(create_file(directory / "token", fresh_token().reveal(), 0600).has_value());
  const TokenFile file(directory / "token");
  CHECK(file.write_obstacle().empty());
  const auto next = tests::held(fresh_token());
  REQUIRE(file.write(*next).has_value());
  CHECK(file.read().value()->bearer.equals(next->bearer.reveal()));
  struct stat status{};
  REQUIRE(::stat(file.path().c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  CHECK_FALSE(TokenFile("/proc/keyward/token").write_obstacle().empty());
}
