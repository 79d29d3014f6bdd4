#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "base/file.hpp"
#include "netproxy/audit/jsonl.hpp"
#include "netproxy/audit/ocsf.hpp"

namespace keyward::netproxy {
namespace {

using nlohmann::json;

constexpr TimePoint some_time{std::chrono::milliseconds(1'440'938'160'123)};

class FixedClock final : public Clock {
 public:
  TimePoint now() const override { return some_time; }
};

struct Directory {
  Directory() {
    char name[] = "/tmp/keyward-audit-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::string path;
};

AuditEvent put_object() {
  AuditEvent event;
  event.http = true;
  event.outcome = Outcome::allowed;
  event.host = "bucket.s3.eu-west-1.amazonaws.com";
  event.port = 443;
  event.address = "52.218.0.1";
  event.method = "PUT";
  event.path = "/a/key";
  event.scheme = "https";
  event.status = 200;
  event.rule = "s3";
  event.policy_hash = std::string(64, 'a');
  event.credential = "work";
  event.signing = "sigv4:hex_hash";
  event.bytes_up = 20'971'520;
  event.bytes_down = 17;
  event.microseconds = 12'345;
  return event;
}

std::vector<json> lines_of(const std::string& text) {
  std::vector<json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

}  // namespace

TEST_CASE("audit: an allowed request has the fields of class 4002") {
  const json line = json::parse(ocsf_line(put_object(), 7, some_time));
  CHECK(line["class_uid"] == 4002);
  CHECK(line["category_uid"] == 4);
  CHECK(line["activity_id"] == 7);
  CHECK(line["type_uid"] == 400207);
  CHECK(line["severity_id"] == 1);
  CHECK(line["time"] == 1'440'938'160'123);
  CHECK(line["metadata"]["version"] == "1.8.0");
  CHECK(line["metadata"]["sequence"] == 7);
  CHECK(line["metadata"]["product"]["name"] == "Keyward");
  CHECK(line["action_id"] == 1);
  CHECK(line["disposition_id"] == 1);
  CHECK(line["status_id"] == 1);
  CHECK(line["dst_endpoint"] == json{{"hostname", "bucket.s3.eu-west-1.amazonaws.com"},
                                     {"port", 443},
                                     {"ip", "52.218.0.1"}});
  CHECK(line["http_request"]["http_method"] == "PUT");
  CHECK(line["http_request"]["url"]["path"] == "/a/key");
  CHECK(line["http_response"]["code"] == 200);
  CHECK(line["firewall_rule"]["name"] == "s3");
  CHECK(line["traffic"]["bytes_out"] == 20'971'520);
  CHECK(line["unmapped"]["credential"] == "work");
  CHECK(line["unmapped"]["signing"] == "sigv4:hex_hash");
  CHECK_FALSE(line["unmapped"].contains("truncated"));
}

TEST_CASE("audit: outcomes map to activity, action and status") {
  struct Case {
    const char* name;
    Outcome outcome;
    int activity, severity, action, disposition, status;
  };
  const Case cases[] = {{"allowed", Outcome::allowed, 1, 1, 1, 1, 1},
                        {"denied", Outcome::denied, 5, 3, 2, 2, 2},
                        {"failed", Outcome::failed, 4, 2, 1, 1, 2}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    AuditEvent event;
    event.outcome = c.outcome;
    event.host = "example.com";
    event.port = 443;
    const json line = json::parse(ocsf_line(event, 1, some_time));
    CHECK(line["class_uid"] == 4001);
    CHECK(line["activity_id"] == c.activity);
    CHECK(line["type_uid"] == 400100 + c.activity);
    CHECK(line["severity_id"] == c.severity);
    CHECK(line["action_id"] == c.action);
    CHECK(line["disposition_id"] == c.disposition);
    CHECK(line["status_id"] == c.status);
    CHECK_FALSE(line.contains("http_request"));
  }
}

TEST_CASE("audit: what passed only because of enforcement: audit can be found") {
  AuditEvent event = put_object();
  event.audited = true;
  const json line = json::parse(ocsf_line(event, 1, some_time));
  CHECK(line["unmapped"]["enforcement"] == "audit");
}

TEST_CASE("audit: the program is named where the policy asks for it") {
  AuditEvent event = put_object();
  CHECK_FALSE(json::parse(ocsf_line(event, 1, some_time)).contains("actor"));
  event.program = "/usr/bin/curl";
  CHECK(json::parse(ocsf_line(event, 1, some_time))["actor"]["process"]["file"]["path"] ==
        "/usr/bin/curl");
}

TEST_CASE("audit: a method outside the list is activity 99") {
  AuditEvent event = put_object();
  event.method = "PROPFIND";
  CHECK(json::parse(ocsf_line(event, 1, some_time))["type_uid"] == 400299);
}

TEST_CASE("audit: a question for a token is class 3002, and a renewal another activity") {
  GrantEvent event;
  event.credential = "shop:token";
  event.kind = "client_credentials";
  event.server = "https://login.example:443";
  event.workload = "spiffe://example.org/a";
  event.audience = "orders";
  event.granted = true;
  event.lifetime_seconds = 300;
  event.microseconds = 1500;
  json line = json::parse(ocsf_line(event, 7, some_time));
  CHECK(line["class_uid"] == 3002);
  CHECK(line["category_uid"] == 3);
  CHECK(line["type_uid"] == 300204);
  CHECK(line["status_id"] == 1);
  CHECK(line["severity_id"] == 1);
  CHECK(line["auth_protocol_id"] == 6);
  CHECK(line["user"]["uid"] == "spiffe://example.org/a");
  CHECK(line["service"]["name"] == "orders");
  CHECK(line["dst_endpoint"]["name"] == "https://login.example:443");
  CHECK(line["unmapped"] == json{{"credential", "shop:token"},
                                 {"grant", "client_credentials"},
                                 {"lifetime_seconds", 300},
                                 {"duration_us", 1500}});
  event.renewal = true;
  event.granted = false;
  event.kind = "aws_web_identity";
  event.reason = "precondition";
  event.detail = "STS answers\n{}\"";
  line = json::parse(ocsf_line(event, 8, some_time));
  CHECK(line["type_uid"] == 300205);
  CHECK(line["status_id"] == 2);
  CHECK(line["severity_id"] == 3);
  CHECK(line["status_detail"] == "precondition");
  CHECK(line["message"] == event.detail);
  CHECK(line["auth_protocol"] == "AWS STS");
  CHECK_FALSE(line["unmapped"].contains("lifetime_seconds"));
}

TEST_CASE("audit: foreign bytes can neither end a line nor a string") {
  AuditEvent event = put_object();
  event.path = "/x\",\"action_id\":1}\n{\"forged\":true}\r\\\x01\xff";
  event.method = "GET\n";
  const std::string line = ocsf_line(event, 1, some_time);
  CHECK(line.find('\n') == std::string::npos);
  CHECK(line.find('\r') == std::string::npos);
  const json parsed = json::parse(line);
  CHECK_FALSE(parsed.contains("forged"));
  CHECK(parsed["http_request"]["url"]["path"].get<std::string>().starts_with("/x\",\"action_id\""));
}

TEST_CASE("audit: a query string is not recorded") {
  AuditEvent event = put_object();
  event.path = "/key?X-Amz-Signature=abc";
  const std::string line = ocsf_line(event, 1, some_time);
  CHECK(line.find("Signature") == std::string::npos);
}

TEST_CASE("audit: a long text is cut, and the line says so") {
  AuditEvent event = put_object();
  event.path = "/" + std::string(100'000, 'x');
  const std::string line = ocsf_line(event, 1, some_time);
  CHECK(line.size() < 4 * audit_text_limit);
  CHECK(json::parse(line)["unmapped"].contains("truncated"));
}

TEST_CASE("audit: a lost record is counted in a record of its own") {
  const json line = json::parse(ocsf_dropped_line(42, 9, some_time));
  CHECK(line["count"] == 42);
  CHECK(line["metadata"]["sequence"] == 9);
  CHECK(line["class_uid"] == 6008);
  CHECK(line["type_uid"] == 600899);
}

TEST_CASE("audit file: lines of several threads arrive whole, in sequence") {
  const Directory directory;
  const std::string path = directory.path + "/a/b/audit.jsonl";
  const FixedClock clock;
  constexpr int threads = 4, each = 500;
  {
    auto sink = open_audit_file(path, clock);
    REQUIRE(sink.has_value());
    std::vector<std::jthread> writers;
    for (int t = 0; t < threads; ++t)
      writers.emplace_back([&] {
        for (int i = 0; i < each; ++i) (*sink)->record(put_object());
      });
  }
  const auto lines = lines_of(read_file(path).value());
  REQUIRE(lines.size() == threads * each);
  for (std::size_t i = 0; i < lines.size(); ++i) CHECK(lines[i]["metadata"]["sequence"] == i + 1);
}

TEST_CASE("audit file: private file, private new directories, appended to at the next start") {
  const Directory directory;
  const std::string path = directory.path + "/new/audit.jsonl";
  const FixedClock clock;
  for (int run = 0; run < 2; ++run) {
    auto sink = open_audit_file(path, clock);
    REQUIRE(sink.has_value());
    (*sink)->record(put_object());
  }
  CHECK(lines_of(read_file(path).value()).size() == 2);
  struct stat status{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  REQUIRE(::stat((directory.path + "/new").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0700);
}

TEST_CASE("audit file: refuses what others control") {
  const Directory directory;
  const FixedClock clock;
  const std::string path = directory.path + "/audit.jsonl";
  SUBCASE("a symbolic link") {
    REQUIRE(::symlink("/dev/null", path.c_str()) == 0);
    CHECK_FALSE(open_audit_file(path, clock).has_value());
  }
  SUBCASE("a fifo") {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK_FALSE(open_audit_file(path, clock).has_value());
  }
  SUBCASE("a directory") {
    REQUIRE(::mkdir(path.c_str(), 0700) == 0);
    CHECK_FALSE(open_audit_file(path, clock).has_value());
  }
  SUBCASE("a file that others can write") {
    std::ofstream(path) << "";
    REQUIRE(::chmod(path.c_str(), 0666) == 0);
    const auto sink = open_audit_file(path, clock);
    REQUIRE_FALSE(sink.has_value());
    CHECK(sink.error().code == Code::denied);
  }
  SUBCASE("a file with a second name") {
    std::ofstream(path) << "";
    REQUIRE(::link(path.c_str(), (directory.path + "/other").c_str()) == 0);
    CHECK_FALSE(open_audit_file(path, clock).has_value());
  }
  SUBCASE("a parent that is a file") {
    std::ofstream(path) << "";
    CHECK_FALSE(open_audit_file(path + "/audit.jsonl", clock).has_value());
  }
}

TEST_CASE("audit file: a reader that stands still costs records, never a request") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const UniqueFd reader(ends[0]);
  const FixedClock clock;
  constexpr int recorded = 20'000;
  std::string text;
  std::thread late;
  {
    const auto sink = open_audit_fd(UniqueFd(ends[1]), clock);
    AuditEvent event = put_object();
    event.path = "/" + std::string(1000, 'x');
    for (int i = 0; i < recorded; ++i) sink->record(event);  // about 25 MB against a pipe of 64 KiB
    late = std::thread([&] {
      char buffer[65536];
      for (ssize_t got; (got = ::read(reader.get(), buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(got));
    });
  }
  late.join();
  const auto lines = lines_of(text);
  REQUIRE_FALSE(lines.empty());
  CHECK(lines.size() < recorded);
  std::uint64_t dropped = 0;
  for (const json& line : lines) dropped += line.value("count", std::uint64_t{0});
  const auto marks = static_cast<std::uint64_t>(
      std::count_if(lines.begin(), lines.end(), [](const json& l) { return l.contains("count"); }));
  CHECK(marks >= 1);
  CHECK(dropped + lines.size() - marks == recorded);
}

TEST_CASE("audit file: a reader that is gone ends nothing") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  UniqueFd reader(ends[0]);
  const FixedClock clock;
  const auto sink = open_audit_fd(UniqueFd(ends[1]), clock);
  reader.reset();
  for (int i = 0; i < 10; ++i) sink->record(put_object());
}

}  // namespace keyward::netproxy
