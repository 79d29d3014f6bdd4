#include "tests/netproxy/scripted_origin.hpp"

#include <doctest/doctest.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <chrono>

#include "tests/netproxy/proxy_fixture.hpp"

namespace keyward::netproxy {

ScriptedOrigin::ScriptedOrigin(CertificateAuthority* authority, std::uint16_t port, Script script)
    : authority_(authority),
      script_(std::move(script)),
      listener_(listen_on(origin_address, port)),
      acceptor_([this] { accept_all(); }) {}

ScriptedOrigin::~ScriptedOrigin() {
  stopping_ = true;
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  sessions_.clear();
}

void ScriptedOrigin::accept_all() {
  while (!stopping_) {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) continue;
    sessions_.emplace_back([this, number = connections_++, held = std::move(socket)]() mutable {
      Peer peer(std::move(held));
      if (authority_ != nullptr && !peer.accept_tls(authority_->new_session("up.test").value()))
        return;
      script_(peer, number);
    });
  }
}

NameServer::NameServer(std::vector<std::string> options) {
  std::vector<std::string> words = {
      "dnsmasq",    "--keep-in-foreground", "--conf-file=/dev/null",
      "--no-hosts", "--no-resolv",          "--listen-address=127.0.0.1",
      "--pid-file", "--bind-interfaces",    "--user=root"};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  REQUIRE(::posix_spawn(&pid_, "/usr/sbin/dnsmasq", nullptr, nullptr, arguments.data(), nullptr) ==
          0);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!dial("127.0.0.1", 53)) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

NameServer::~NameServer() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace keyward::netproxy
