// The gateway is killed at random instants while supervisors refresh.  Afterwards no token that an
// answer had replaced is accepted, and every supervisor has a way on: with its token, or by
// repeating its refresh.
#include <atomic>
#include <random>

#include "program.hpp"

using namespace keyward;
using namespace keyward::gateway;

namespace {

constexpr int supervisors = 8;
constexpr auto longest_load = std::chrono::milliseconds(150);

int kills() {
  const char* all = std::getenv("KEYWARD_ALL");
  return all != nullptr && std::string(all) == "1" ? 200 : 15;
}

// One supervisor: what it holds, and the refresh whose answer it has not seen.
class Client {
 public:
  Client(std::string id, std::string token) : id_(std::move(id)), token_(std::move(token)) {}

  // Until the gateway does not answer any more, or `stop`.
  void refresh_on(const Program& program, const std::atomic<bool>& stop) {
    const auto stub = program.stub();
    while (!stop && refresh(*stub, random_uuid())) {
    }
  }

  // What a supervisor does when the gateway is back.
  bool go_on(const Program& program) {
    const auto stub = program.stub();
    return refresh(*stub, pending_) && works(*stub, token_);
  }

  // A token that was replaced and is accepted all the same; empty: none.
  std::string zombie(const Program& program) const {
    const auto stub = program.stub();
    for (const std::string& token : replaced_)
      if (works(*stub, token)) return token;
    return {};
  }
  void forget() { replaced_.clear(); }
  const std::string& said() const { return said_; }
  std::size_t refreshed() const { return replaced_.size(); }

 private:
  static void prepare(grpc::ClientContext& context, const std::string& token) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    context.AddMetadata("authorization", "Bearer " + token);
  }

  bool refresh(v1::OpenShell::Stub& stub, const std::string& refresh_id) {
    pending_ = refresh_id;
    grpc::ClientContext context;
    prepare(context, token_);
    context.AddMetadata("x-keyward-refresh-id", refresh_id);
    v1::RefreshSandboxTokenResponse response;
    const grpc::Status status =
        stub.RefreshSandboxToken(&context, v1::RefreshSandboxTokenRequest(), &response);
    said_ = status.error_message();
    if (!status.ok()) return false;
    replaced_.push_back(std::exchange(token_, response.token()));
    return true;
  }

  bool works(v1::OpenShell::Stub& stub, const std::string& token) const {
    grpc::ClientContext context;
    prepare(context, token);
    openshell::sandbox::v1::GetSandboxConfigRequest request;
    request.set_sandbox_id(id_);
    openshell::sandbox::v1::GetSandboxConfigResponse response;
    const grpc::Status status = stub.GetSandboxConfig(&context, request, &response);
    said_ = status.error_message();
    return status.ok();
  }

  std::string id_, token_, pending_;
  mutable std::string said_;  // the last answer
  std::vector<std::string> replaced_;
};

std::vector<Client> make_clients(const Program& program) {
  const auto operators = OperatorClient::connect(program.socket());
  REQUIRE(operators);
  std::vector<Client> clients;
  for (int i = 0; i < supervisors; ++i) {
    const std::string name = "s" + std::to_string(i);
    const auto made = (*operators)->create_sandbox({name, "", "", {}});
    REQUIRE(made);
    clients.emplace_back(made->id, std::string((*operators)->issue_token(name)->token.reveal()));
  }
  return clients;
}

// Load until the gateway is killed.  Where there is a replica, every other supervisor refreshes
// there, and the other way round in the next round.
void kill_under_load(Program& program, const Program* replica, std::vector<Client>& clients,
                     std::chrono::milliseconds after) {
  static std::size_t round = 0;
  ++round;
  std::atomic<bool> stop = false;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const bool elsewhere = replica != nullptr && (i + round) % 2 == 0;
    threads.emplace_back([&client = clients[i], &where = elsewhere ? *replica : program, &stop] {
      client.refresh_on(where, stop);
    });
  }
  std::this_thread::sleep_for(after);
  const int ended = program.end(SIGKILL);
  stop = true;
  REQUIRE(ended == 128 + SIGKILL);
}

}  // namespace

TEST_CASE(
    "gateway: killed at random instants under refreshes, it strands nobody and revives no token") {
  TestDirectory directory;
  const TestDatabase database;
  REQUIRE(wait_for(spawn({"certgen", "--output-dir", directory / "pki"})) == 0);
  const std::string where = TestDatabase::is_postgres() ? database.name() : "";
  // A replica that is never killed: it carries half of the load, and what it accepts is looked at.
  std::optional<Program> replica;
  if (TestDatabase::is_postgres()) replica.emplace(directory.path(), where, "replica");
  auto program = std::make_unique<Program>(directory.path(), where);
  std::vector<Client> clients = make_clients(*program);
  const auto seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> instant(0, static_cast<int>(longest_load.count()));
  std::size_t refreshed = 0;
  for (int round = 0; round < kills(); ++round) {
    CAPTURE(round);
    kill_under_load(*program, replica ? &*replica : nullptr, clients,
                    std::chrono::milliseconds(instant(random)));
    program = std::make_unique<Program>(directory.path(), where);
    for (Client& client : clients) {
      const bool goes_on = client.go_on(*program);
      CAPTURE(client.said());
      REQUIRE(goes_on);
      CHECK(client.zombie(*program).empty());
      if (replica) CHECK(client.zombie(*replica).empty());
      refreshed += client.refreshed();
      client.forget();
    }
  }
  MESSAGE(refreshed << " refreshes, " << kills() << " kills");
  CHECK(refreshed > static_cast<std::size_t>(kills()) * supervisors);
}
