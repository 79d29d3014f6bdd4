// `supervisor debug-rpc` as a whole, where no supervisor runs: options in, output and code out.
#include "supervisor/debug_rpc.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.hpp"
#include "base/unique_fd.hpp"
#include "identity/jwt/jwks.hpp"
#include "supervisor/control_socket.hpp"
#include "tests/support/fake_gateway.hpp"
#include "tests/support/test_directory.hpp"

using namespace keyward;
using namespace keyward::supervisor;

namespace {

struct Ended {
  int code = -1;
  std::string out;
};

// Sets variables for its own life; everything is asked with its standard output in a file.
struct Machine {
  tests::TestDirectory directory;
  std::vector<std::string> names;
  identity::SigningKey key = identity::generate_signing_key();

  Machine() = default;
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  ~Machine() {
    for (const std::string& name : names) ::unsetenv(name.c_str());
  }
  void set(const std::string& name, const std::string& value) {
    ::setenv(name.c_str(), value.c_str(), 1);
    names.push_back(name);
  }
  std::string put(const std::string& name, std::string_view content) {
    REQUIRE(replace_file(directory / name, content, 0600));
    return directory / name;
  }
  Secret token() {
    const TimePoint now = SystemClock().now();
    return identity::mint_sandbox_token(key, {tests::sandbox_id, identity::issuer_of("g"),
                                              random_uuid(), now, now + std::chrono::hours(1)})
        .value();
  }
  std::string jwks() const { return identity::jwks_json({key.verifying_key()}); }

  Ended run(const std::vector<std::string>& arguments, const std::string& input = "") {
    const std::string in = put("in", input), out = put("out", "");
    std::fflush(stdout);
    const UniqueFd old_out(::dup(1)), old_in(::dup(0));
    REQUIRE(std::freopen(out.c_str(), "w", stdout) != nullptr);
    REQUIRE(std::freopen(in.c_str(), "r", stdin) != nullptr);
    Ended ended;
    ended.code = run_redirected(arguments);
    std::fflush(stdout);
    ::dup2(old_out.get(), 1);
    ::dup2(old_in.get(), 0);
    ended.out = read_file(out).value();
    return ended;
  }
  static int run_redirected(const std::vector<std::string>& arguments) {
    std::vector<std::string> all = {"debug-rpc"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Result<Options> options = parse_options(all);
    if (!options) return debug_rpc_failure(options.error());
    const auto* asked = std::get_if<DebugRpcOptions>(&options->action);
    return asked == nullptr ? 0 : debug_rpc(*asked);
  }
};

identity::JsonObject object(const Ended& ended) {
  CAPTURE(ended.out);
  const auto parsed = identity::parse_json_object(ended.out);
  REQUIRE(parsed.has_value());
  return *parsed;
}

}  // namespace

TEST_CASE("debug-rpc: the principal says whether its signature was checked") {
  Machine machine;
  machine.set("OPENSHELL_SANDBOX_TOKEN_FILE",
              machine.put("token", std::string(machine.token().reveal())));
  const Ended plain = machine.run({"show-principal"});
  CHECK(plain.code == 0);
  CHECK(*object(plain).text("signature") == "not checked");
  CHECK(*object(plain).text("sandbox_id") == tests::sandbox_id);
  const std::string file = machine.put("jwks.json", machine.jwks());
  for (const Ended& checked :
       {machine.run({"show-principal", "--verify", "--jwks", file}),
        machine.run({"show-principal", "--verify", "--jwks", "-", "--json"}, machine.jwks())}) {
    CHECK(checked.code == 0);
    CHECK(*object(checked).text("signature") == "verified");
  }
}

TEST_CASE(
    "debug-rpc: a token that the keys do not verify ends with 16, a bad key set with its own") {
  Machine machine;
  const Secret token = machine.token();
  machine.set("OPENSHELL_SANDBOX_TOKEN_FILE", machine.put("token", std::string(token.reveal())));
  const auto stranger = identity::generate_signing_key().verifying_key();
  struct Case {
    const char* name;
    std::string source, input;
    int code;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"another key", "-", identity::jwks_json({stranger}), 16},
           {"no key set", "-", "x", 3},
           {"nothing", "-", "", 3},
           {"no file", machine.directory / "none", "", 5},
           {"a URL", "https://gateway.example.com/.well-known/jwks.json", "", 3}}) {
    CAPTURE(c.name);
    const Ended text = machine.run({"show-principal", "--verify", "--jwks", c.source}, c.input);
    CHECK(text.code == c.code);
    CHECK(text.out.empty());
    const Ended json =
        machine.run({"show-principal", "--verify", "--jwks", c.source, "--json"}, c.input);
    CHECK(json.code == c.code);
    CHECK(*object(json).integer("code") == c.code);
    CHECK(object(json).text("error") != nullptr);
    CHECK(json.out.find(token.reveal().substr(0, 40)) == std::string::npos);
  }
}

TEST_CASE("debug-rpc: a refresh whose answer is lost is repeated, also by the next run") {
  Machine machine;
  const Secret old = machine.token(), next = machine.token();
  tests::FakeGateway gateway;
  int failures = 3;
  std::vector<std::string> ids;
  gateway.refresh = [&](const tests::Call& call, auto& response) {
    ids.push_back(call.refresh_id);
    if (failures-- > 0) return grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "lost");
    response.set_token(std::string(next.reveal()));
    return grpc::Status::OK;
  };
  machine.set("OPENSHELL_ENDPOINT", gateway.url());
  const std::string file = machine.put("token", std::string(old.reveal()));
  machine.set("OPENSHELL_SANDBOX_TOKEN_FILE", file);
  CHECK(machine.run({"refresh"}).code == 4);
  CHECK(read_file(file).value() == old.reveal());
  CHECK(machine.run({"refresh"}).code == 0);
  CHECK(read_file(file).value() == next.reveal());
  const std::lock_guard lock(gateway.mutex);
  REQUIRE(ids.size() == 4);
  CHECK(identity::is_uuid(ids[0]));
  CHECK(std::count(ids.begin(), ids.end(), ids[0]) == 4);
}

TEST_CASE("debug-rpc: every command answers in JSON, failures too, and the code is gRPC's") {
  Machine machine;
  tests::FakeGateway gateway;
  gateway.config = [](const tests::Call&, auto& response) {
    response.set_version(7);
    return grpc::Status::OK;
  };
  machine.set("OPENSHELL_ENDPOINT", gateway.url());
  machine.set("OPENSHELL_SANDBOX_TOKEN_FILE",
              machine.put("token", std::string(machine.token().reveal())));
  const std::vector<std::string> ask_config = {"get-sandbox-config", "--sandbox-id",
                                               tests::sandbox_id, "--json"};
  CHECK(*object(machine.run(ask_config)).integer("version") == 7);
  CHECK(*object(machine.run({"show-token", "--json"})).integer("code") == 0);
  const Ended refused = machine.run({"refresh", "--json"});  // UNAVAILABLE
  CHECK(refused.code == 14);
  CHECK(*object(refused).integer("code") == 14);
  gateway.config = [](const tests::Call&, auto&) {
    return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "another");
  };
  CHECK(machine.run(ask_config).code == 7);
}

TEST_CASE("debug-rpc: arguments that cannot be right end with 3") {
  Machine machine;
  for (const std::vector<std::string>& arguments :
       std::initializer_list<std::vector<std::string>>{{},
                                                       {"rm"},
                                                       {"show-token", "--verify", "--jwks", "x"},
                                                       {"show-principal", "--verify"},
                                                       {"show-principal", "--jwks", "x"},
                                                       {"get-sandbox-config"},
                                                       {"get-sandbox-config", "--sandbox-id", ""},
                                                       {"show-token", "--more"}})
    CHECK(machine.run(arguments).code == 3);
  CHECK(is_debug_rpc({"debug-rpc"}));
  CHECK_FALSE(is_debug_rpc({"run", "debug-rpc"}));
  CHECK_FALSE(is_debug_rpc({}));
}

TEST_CASE("debug-rpc: the show commands exchange nothing") {
  Machine machine;
  tests::FakeGateway gateway;
  std::atomic<int> asked{0};
  gateway.issue = [&](const tests::Call&, auto&) { return ++asked, grpc::Status::OK; };
  machine.set("OPENSHELL_ENDPOINT", gateway.url());
  machine.set("OPENSHELL_K8S_SA_TOKEN_FILE", machine.put("sa", "projected"));
  const std::string file = machine.put("jwks.json", machine.jwks());
  for (const std::vector<std::string>& arguments : std::initializer_list<std::vector<std::string>>{
           {"show-principal"},
           {"show-principal", "--verify", "--jwks", file},
           {"show-token"},
           {"show-token", "--raw"}})
    CHECK(machine.run(arguments).code == 5);
  CHECK(asked == 0);
}

TEST_CASE(
    "debug-rpc: a running supervisor's token is verified, and nothing but its summary shown") {
  struct Held final : DebugTarget {
    std::shared_ptr<const identity::Token> held;
    std::shared_ptr<const identity::Token> token() override { return held; }
    identity::RpcResult<std::shared_ptr<const identity::Token>> refresh() override {
      return tl::unexpected(identity::RpcError{identity::grpc_unauthenticated, "no"});
    }
    identity::RpcResult<identity::SandboxConfig> sandbox_config(const std::string&) override {
      return tl::unexpected(identity::RpcError{identity::grpc_not_found, "no"});
    }
    identity::RpcResult<std::string> metrics() override { return "a 1\n"; }
  };
  if (::geteuid() != 0) return;  // the socket's peer must be root
  Machine machine;
  Held target;
  target.held = tests::held(machine.token());
  const std::string path = machine.directory / "control/control.sock";
  const auto socket = ControlSocket::open(path, target);
  REQUIRE(socket.has_value());
  const Ended good = machine.run(
      {"show-principal", "--verify", "--jwks", "-", "--socket", path, "--json"}, machine.jwks());
  CHECK(good.code == 0);
  CHECK(*object(good).text("signature") == "verified");
  CHECK_FALSE(object(good).has("token"));
  CHECK(machine.run({"metrics", "--socket", path}).out == "a 1\n");
  CHECK(machine.run({"refresh", "--socket", path, "--json"}).code == 16);
  CHECK(machine.run({"get-sandbox-config", "--sandbox-id", "x", "--socket", path}).code == 5);
}
