// Names: a real name server answers, the guard looks at what it answered.

#include <doctest/doctest.h>

#include "tests/netproxy/proxy_fixture.hpp"
#include "tests/netproxy/scripted_origin.hpp"

namespace keyward::netproxy {
namespace {

constexpr const char* resolv_conf = "# a comment\nsearch example.test\nnameserver 127.0.0.1\n";

ProxySettings with_name_server(const char* text = resolv_conf) {
  ProxySettings settings;
  settings.resolv_conf = text;
  return settings;
}

const std::vector<std::string> records = {
    "--host-record=up.dns.test,10.99.8.2",
    "--cname=alias.dns.test,up.dns.test",
    "--host-record=loop.dns.test,127.0.0.1",
    "--host-record=metadata.dns.test,169.254.169.254",
    "--host-record=private.dns.test,10.98.0.1",
    "--host-record=six.dns.test,::1",
    "--host-record=mapped.dns.test,::ffff:127.0.0.1",
    "--host-record=mixed.dns.test,10.99.8.2",
    "--host-record=mixed.dns.test,127.0.0.1",
    "--host-record=hosts.dns.test,127.0.0.1",
    "--local=/dns.test/",
};

void close_at_once(Peer&, int) {}

}  // namespace

TEST_CASE("names: the name server's answer is dialled, where the guard allows it") {
  const NameServer server(records);
  ProxyFixture fixture(with_name_server());
  const ScriptedOrigin origin(nullptr, 9000, close_at_once);
  struct Row {
    const char* name;
    int status;
  };
  for (const Row& row :
       {Row{"up.dns.test", 200}, Row{"UP.dns.test", 200}, Row{"alias.dns.test", 200},
        Row{"loop.dns.test", 403}, Row{"metadata.dns.test", 403}, Row{"private.dns.test", 403},
        Row{"six.dns.test", 403}, Row{"mapped.dns.test", 403}, Row{"mixed.dns.test", 403},
        Row{"absent.dns.test", 502}}) {
    CAPTURE(row.name);
    CHECK(fixture.connect_status(std::string(row.name) + ":9000") == row.status);
  }
  for (int i = 0; i < 500 && origin.connections() < 3; ++i)  // the last may not be accepted yet
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(origin.connections() == 3);
}

TEST_CASE("names: the hosts file is asked before the name server, and an alias before both") {
  const NameServer server(records);
  ProxySettings settings = with_name_server();
  settings.hosts = "10.99.8.2 hosts.dns.test # here\n127.0.0.1 alias.dns.test\n";
  settings.host_aliases.emplace_back("alias.dns.test", parse_address(origin_address).value());
  ProxyFixture fixture(std::move(settings));
  const ScriptedOrigin origin(nullptr, 9000, close_at_once);
  CHECK(fixture.connect_status("hosts.dns.test:9000") == 200);
  CHECK(fixture.connect_status("alias.dns.test:9000") == 200);
}

TEST_CASE("names: without an answer nothing is dialled") {
  const ScriptedOrigin origin(nullptr, 9000, close_at_once);
  struct Row {
    const char* text;
    int status;
  };
  // Nobody listens on the first one; the second one is no server at all.
  for (const Row& row :
       {Row{"nameserver 127.0.0.1\n", 502}, Row{"nameserver nonsense\n", 502}, Row{"", 502}}) {
    CAPTURE(row.text);
    ProxyFixture fixture(with_name_server(row.text));
    CHECK(fixture.connect_status("up.dns.test:9000") == row.status);
  }
  CHECK(origin.connections() == 0);
}

TEST_CASE("names: a second name server is asked where the first one is dead") {
  const NameServer server(records);
  ProxyFixture fixture(with_name_server("nameserver 127.0.0.9\nnameserver 127.0.0.1\n"));
  const ScriptedOrigin origin(nullptr, 9000, close_at_once);
  CHECK(fixture.connect_status("up.dns.test:9000") == 200);
}

}  // namespace keyward::netproxy
