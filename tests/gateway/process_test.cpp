// The program itself: started, killed in the middle of its life, started again.
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "program.hpp"
#include "secret_volume.hpp"

using namespace keyward;
using namespace keyward::gateway;
namespace v1 = openshell::v1;

namespace {

std::pair<grpc::StatusCode, std::string> refresh(v1::OpenShell::Stub& stub,
                                                 const std::string& token) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  context.set_wait_for_ready(true);
  context.AddMetadata("authorization", "Bearer " + token);
  v1::RefreshSandboxTokenResponse response;
  const grpc::Status status =
      stub.RefreshSandboxToken(&context, v1::RefreshSandboxTokenRequest(), &response);
  return {status.error_code(), response.token()};
}

std::vector<std::string> manifests_into(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"certgen",
                                        "--kubernetes",
                                        "--namespace",
                                        "sandboxes",
                                        "--server-secret-name",
                                        "server-tls",
                                        "--client-secret-name",
                                        "client-tls",
                                        "--jwt-secret-name",
                                        "jwt-keys"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// What the program writes to a new terminal, and its exit code.
std::pair<int, std::string> on_terminal(const std::vector<std::string>& arguments) {
  const UniqueFd ours(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  REQUIRE(ours);
  REQUIRE(::grantpt(ours.get()) == 0);
  REQUIRE(::unlockpt(ours.get()) == 0);
  UniqueFd terminal(::open(::ptsname(ours.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  REQUIRE(terminal);
  std::string shown;
  const pid_t child = spawn(arguments, {{terminal.get(), STDOUT_FILENO}});
  terminal.reset();
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(ours.get(), buffer, sizeof buffer)) > 0;)
    shown.append(buffer, static_cast<std::size_t>(got));  // ends with EIO
  return {wait_for(child), shown};
}

}  // namespace

TEST_CASE("gateway: what it answered holds after kill -9") {
  TestDirectory directory;
  REQUIRE(wait_for(spawn({"certgen", "--output-dir", directory / "pki"})) == 0);
  std::string old, fresh;
  {
    Program program(directory.path());
    const auto client = OperatorClient::connect(program.socket());
    REQUIRE(client);
    REQUIRE((*client)->create_sandbox({"work", "", "", {}}));
    old = std::string((*client)->issue_token("work")->token.reveal());
    const auto answer = refresh(*program.stub(), old);
    CHECK(program.end(SIGKILL) == 128 + SIGKILL);  // right after the answer
    REQUIRE(answer.first == grpc::StatusCode::OK);
    fresh = answer.second;
  }
  Program program(directory.path());
  CHECK(refresh(*program.stub(), old).first == grpc::StatusCode::UNAUTHENTICATED);
  CHECK(refresh(*program.stub(), fresh).first == grpc::StatusCode::OK);
  CHECK(program.end(SIGTERM) == 0);
}

TEST_CASE("gateway: keys are rotated while it serves") {
  TestDirectory directory;
  const std::string pki = directory / "pki";
  REQUIRE(wait_for(spawn({"certgen", "--output-dir", pki})) == 0);
  Program program(directory.path());
  const auto client = OperatorClient::connect(program.socket());
  REQUIRE(client);
  REQUIRE((*client)->create_sandbox({"work", "", "", {}}));
  const std::string before = slurp(pki + "/jwt/kid");
  const std::string old((*client)->issue_token("work")->token.reveal());

  REQUIRE(wait_for(spawn({"keys", "rotate", "--tls-dir", pki})) == 0);
  CHECK(slurp(pki + "/jwt/kid") != before);
  program.send(SIGHUP);
  const auto names_new_key = [&](const std::string& token) {
    const auto header = unbase64url(token.substr(0, token.find('.')));
    return header && header->find(slurp(pki + "/jwt/kid")) != std::string::npos;
  };
  std::string fresh;
  for (int i = 0; i < 100 && !names_new_key(fresh); ++i) {
    fresh = std::string((*client)->issue_token("work")->token.reveal());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  CHECK(names_new_key(fresh));
  CHECK(refresh(*program.stub(), old).first == grpc::StatusCode::OK);
  CHECK(refresh(*program.stub(), fresh).first == grpc::StatusCode::OK);

  // A key file that is broken while it serves changes nothing; at the next start it is refused.
  std::ofstream(pki + "/jwt/signing.pem") << "half a key";
  program.send(SIGHUP);
  CHECK((*client)->issue_token("work"));
  CHECK(program.end(SIGTERM) == 0);
  CHECK(wait_for(spawn({"keys", "list", "--tls-dir", pki})) == 3);
}

TEST_CASE("gateway: does not start with what is unsafe or missing") {
  TestDirectory directory;
  const std::string pki = directory / "pki";
  const auto serve = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"serve",
                                          "--tls-dir",
                                          pki,
                                          "--database",
                                          directory / "gateway.db",
                                          "--operator-socket",
                                          directory / "run/operator.sock"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return wait_for(spawn(arguments));
  };
  CHECK(serve({}) != 0);  // no keys yet
  REQUIRE(wait_for(spawn({"certgen", "--output-dir", pki})) == 0);
  CHECK(serve({"--plaintext-loopback", "--listen", "0.0.0.0:0"}) == 7);
  CHECK(serve({"--token-ttl", "0"}) == 3);
  CHECK(serve({"--gateway-id", "A/B"}) == 3);
  for (const char* url : {"gateway", "ftp://gateway", "http://gateway/"})
    CHECK(serve({"--http-url", url}) == 3);
  CHECK(serve({"--listen", "127.0.0.1:0", "--http-listen", "localhost"}) == 3);
  CHECK(serve({"--listen", "127.0.0.1:0", "--jwt-dir", directory / "absent"}) == 5);
  std::filesystem::permissions(pki + "/store.key", std::filesystem::perms(0644));
  CHECK(serve({"--listen", "127.0.0.1:0"}) != 0);
  std::filesystem::permissions(pki + "/store.key", std::filesystem::perms(0600));
  std::ofstream(pki + "/jwt/kid") << std::string(32, '0');
  CHECK(serve({"--listen", "127.0.0.1:0"}) == 3);
}

TEST_CASE("gateway: serves with the token keys of a mounted Secret that certgen printed") {
  TestDirectory directory;
  const std::string pki = directory / "pki", printed = directory / "manifests.yaml";
  REQUIRE(wait_for(spawn({"certgen", "--output-dir", pki})) == 0);  // for store.key
  {
    const UniqueFd file(::open(printed.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(wait_for(spawn(manifests_into({}), {{file.get(), STDOUT_FILENO}})) == 0);
  }
  const auto manifests = read_manifests(slurp(printed));
  REQUIRE(manifests.size() == 3);
  std::filesystem::remove_all(pki + "/jwt");
  SecretVolume(pki + "/jwt").mount(manifests[2].data);
  Program program(directory.path());
  const auto client = OperatorClient::connect(program.socket());
  REQUIRE(client);
  REQUIRE((*client)->create_sandbox({"work", "", "", {}}));
  const std::string token((*client)->issue_token("work")->token.reveal());
  const auto header = unbase64url(token.substr(0, token.find('.')));
  REQUIRE(header);
  CHECK(header->find(manifests[2].data.at("kid")) != std::string::npos);
  CHECK(refresh(*program.stub(), token).first == grpc::StatusCode::OK);
}

TEST_CASE("gateway: the store key comes from a program") {
  TestDirectory directory;
  const std::string pki = directory / "pki", command = directory / "unwrap",
                    config = directory / "gateway.toml";
  REQUIRE(wait_for(spawn({"certgen", "--output-dir", pki})) == 0);
  {
    const Program with_file(directory.path());
  }  // the database is sealed with store.key
  std::filesystem::rename(pki + "/store.key", directory / "wrapped");
  const auto program = [&](const std::string& body) {
    REQUIRE(replace_file(command, "#!/bin/sh\n" + body + "\n", 0700));
  };
  std::ofstream(config) << "[keyward.gateway]\nkey_command = \"" << command << "\"\n";
  ::setenv("OPENSHELL_GATEWAY_CONFIG", config.c_str(), 1);
  program("cat " + directory / "wrapped");
  {
    const Program with_program(directory.path());
  }
  const auto serve = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"serve",
                                          "--tls-dir",
                                          pki,
                                          "--listen",
                                          "127.0.0.1:0",
                                          "--database",
                                          directory / "gateway.db",
                                          "--operator-socket",
                                          directory / "run/operator.sock"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return wait_for(spawn(arguments));
  };
  CHECK(serve({"--key-file", directory / "wrapped"}) == 3);
  CHECK(serve({"--key-command", "unwrap"}) == 3);
  CHECK(serve({"--key-command", ""}) == 3);
  CHECK(serve({"--key-command", directory / "absent"}) == 5);
  program("cat " + directory / "wrapped" + "; exit 1");
  CHECK(serve({}) == 14);
  program("echo " + std::string(64, '0'));  // another key
  CHECK(serve({}) != 0);
  std::filesystem::rename(directory / "wrapped", pki + "/store.key");
  program("exit 1");
  CHECK(serve({}) == 14);  // the file that would be there does not count
  ::unsetenv("OPENSHELL_GATEWAY_CONFIG");
}

TEST_CASE("gateway: private keys are not shown on a terminal") {
  const auto refused = on_terminal(manifests_into({}));
  CHECK(refused.first == 7);
  CHECK(refused.second.empty());
  CHECK(on_terminal(manifests_into({"--dry-run"})).first == 0);
  const auto forced = on_terminal(manifests_into({"--force-terminal"}));
  CHECK(forced.first == 0);
  CHECK(forced.second.find("signing.pem: ") != std::string::npos);
}
