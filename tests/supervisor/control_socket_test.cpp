#include "supervisor/control_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "tests/support/fake_gateway.hpp"
#include "tests/support/test_directory.hpp"

using namespace keyward;
using namespace keyward::supervisor;
using identity::RpcError;
using identity::RpcResult;
using identity::SandboxConfig;
using identity::Token;

namespace {

struct FakeTarget final : DebugTarget {
  std::shared_ptr<const Token> held = tests::held(tests::fresh_token());
  std::shared_ptr<const Token> token() override { return held; }
  RpcResult<std::shared_ptr<const Token>> refresh() override { return held; }
  RpcResult<SandboxConfig> sandbox_config(const std::string&) override {
    return tl::unexpected(RpcError{7, "not yours"});
  }
  RpcResult<std::string> metrics() override { return std::string(); }
};

UniqueFd raw_connection(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
  return fd;
}

std::string reply_to(const std::string& path, const std::string& question) {
  const UniqueFd fd = raw_connection(path);
  REQUIRE(fd);
  REQUIRE(::send(fd.get(), question.data(), question.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(question.size()));
  char buffer[4096];
  const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
  return std::string(buffer, got > 0 ? static_cast<std::size_t>(got) : 0);
}

}  // namespace

TEST_CASE("control socket: answers, and is gone at the end") {
  const tests::TestDirectory directory;
  const std::string path = directory / "private/control.sock";
  FakeTarget target;
  {
    const auto control = ControlSocket::open(path, target);
    REQUIRE(control.has_value());
    struct stat status{};
    REQUIRE(::stat((directory / "private").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0700);
    const auto shown = ask_supervisor(path, {DebugCommand::show_token, "", false});
    REQUIRE(shown.has_value());
    CHECK(*shown->text("fingerprint") == target.held->bearer.fingerprint());
    const auto denied = ask_supervisor(path, {DebugCommand::get_sandbox_config, "x", false});
    REQUIRE(denied.has_value());
    CHECK(*denied->integer("code") == 7);
  }
  CHECK(::access(path.c_str(), F_OK) != 0);
  CHECK_FALSE(ask_supervisor(path, {DebugCommand::show_token, "", false}).has_value());
}

TEST_CASE("control socket: strange messages harm nobody") {
  const tests::TestDirectory directory;
  const std::string path = directory / "private/control.sock";
  FakeTarget target;
  const auto control = ControlSocket::open(path, target);
  REQUIRE(control.has_value());
  CHECK(reply_to(path, "not json").find("\"code\":3") != std::string::npos);
  CHECK(reply_to(path, std::string(8000, 'x')).empty());  // over the limit: closed without a word
  const UniqueFd silent = raw_connection(path);           // says nothing: dropped after a while
  REQUIRE(silent);
  CHECK(ask_supervisor(path, {DebugCommand::refresh, "", false}).has_value());
}

TEST_CASE("control socket: takes over what a killed supervisor left") {
  const tests::TestDirectory directory;
  const std::string path = directory / "private/control.sock";
  REQUIRE(::mkdir((directory / "private").c_str(), 0700) == 0);
  const UniqueFd left(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  REQUIRE(::bind(left.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  FakeTarget target;
  const auto control = ControlSocket::open(path, target);
  REQUIRE(control.has_value());
  CHECK(ask_supervisor(path, {DebugCommand::show_token, "", false}).has_value());
}

TEST_CASE("control socket: refuses directories that others can enter") {
  const tests::TestDirectory directory;
  FakeTarget target;
  REQUIRE(::mkdir((directory / "open").c_str(), 0700) == 0);
  REQUIRE(::chmod((directory / "open").c_str(), 0755) == 0);
  REQUIRE(::mkdir((directory / "real").c_str(), 0700) == 0);
  REQUIRE(::symlink((directory / "real").c_str(), (directory / "link").c_str()) == 0);
  for (const std::string& path :
       {directory / "open/control.sock", directory / "link/control.sock",
        directory / "none/none/control.sock", std::string("relative/control.sock"),
        std::string("/control.sock"), directory / (std::string(200, 'x') + "/control.sock")}) {
    CAPTURE(path);
    CHECK_FALSE(ControlSocket::open(path, target).has_value());
  }
}

TEST_CASE("control socket: a peer that is not root is not answered") {
  if (::geteuid() != 0) {
    MESSAGE("SKIPPED: needs root to become another user");
    return;
  }
  const tests::TestDirectory directory;
  const std::string path = directory / "private/control.sock";
  FakeTarget target;
  const auto control = ControlSocket::open(path, target);
  REQUIRE(control.has_value());
  // Opened wide on purpose: the directory is not what refuses here.
  for (const std::string& entry : {directory / "", directory / "private", path})
    REQUIRE(::chmod(entry.c_str(), 0777) == 0);
  const std::string question = to_json(DebugQuestion{DebugCommand::show_token, "", true});
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {  // 0 = connected and got nothing
    if (::setresuid(59123, 59123, 59123) != 0) ::_exit(9);
    const UniqueFd fd = raw_connection(path);
    if (!fd) ::_exit(8);
    (void)::send(fd.get(), question.data(), question.size(), MSG_NOSIGNAL);
    char buffer[4096];
    ::_exit(::recv(fd.get(), buffer, sizeof buffer, 0) > 0 ? 1 : 0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK_FALSE(reply_to(path, question).empty());  // and root is
}
