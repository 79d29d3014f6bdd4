#include "tests/netproxy/scripted_origin.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <chrono>

#include "tests/netproxy/proxy_fixture.hpp"

namespace keyward::netproxy {

bool Peer::read_more() {
  std::array<char, 16384> part{};
  const ssize_t got = ssl_ ? SSL_read(ssl_.get(), part.data(), part.size())
                           : ::recv(socket_.get(), part.data(), part.size(), 0);
  if (got > 0) bytes_.append(part.data(), static_cast<std::size_t>(got));
  return got > 0;
}

std::string Peer::read_until(std::string_view end) {
  std::size_t at = 0;
  while ((at = bytes_.find(end)) == std::string::npos)
    if (!read_more()) return std::exchange(bytes_, {});
  std::string taken = bytes_.substr(0, at + end.size());
  bytes_.erase(0, at + end.size());
  return taken;
}

std::string Peer::read_to_end() {
  while (read_more()) {
  }
  return std::exchange(bytes_, {});
}

void Peer::write(std::string_view text) {
  if (ssl_)
    SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
  else
    ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
}

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
      limit_patience(held);
      SslPtr ssl;
      if (authority_ != nullptr) {
        ssl = authority_->new_session("up.test").value();
        SSL_set_fd(ssl.get(), held.get());
        if (SSL_accept(ssl.get()) != 1) return;
      }
      Peer peer(std::move(held), std::move(ssl));
      script_(peer, number);
    });
  }
}

namespace {

bool answers_dns() {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(53);
  ::inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
}

}  // namespace

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
  while (!answers_dns()) {
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
