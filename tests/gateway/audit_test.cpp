// The audit trail as a file: whole lines, and what is missing is told.
#include "gateway/audit.hpp"

#include <sys/resource.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support.hpp"

using namespace keyward;
using namespace keyward::gateway;
using nlohmann::json;

namespace {

// No file of this process grows beyond it, while it lives.
class FileLimit {
 public:
  explicit FileLimit(std::size_t bytes) : before_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, before_);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  void (*before_)(int);
  rlimit old_{};
};

std::vector<std::string> lines_of(const std::string& path) {
  std::istringstream text(slurp(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("audit: a record says who called from where, in both classes") {
  const TestDirectory directory;
  const TestClock clock;
  const std::string path = directory / "audit.jsonl";
  const auto audit = *AuditLog::open(path, clock);
  const Error refused{Code::unauthenticated, "no"};
  audit->record({"GetSandbox", "sandbox:1", "1", nullptr, "", "2001:db8::1"});
  audit->record({"GetSandbox", "anonymous", "1", &refused, "", "192.0.2.1"});
  audit->record({"operator", "operator", "", nullptr, "a"});
  const auto lines = lines_of(path);
  REQUIRE(lines.size() == 3);
  const json allowed = json::parse(lines[0]), authentication = json::parse(lines[1]);
  CHECK(allowed["class_uid"] == 6003);
  CHECK(allowed["src_endpoint"]["ip"] == "2001:db8::1");
  CHECK(allowed["actor"]["user"]["name"] == "sandbox:1");
  CHECK(allowed["api"]["service"]["name"] == "keyward-gateway");
  CHECK(authentication["class_uid"] == 3002);
  CHECK(authentication["src_endpoint"]["ip"] == "192.0.2.1");
  CHECK(authentication["user"]["name"] == "anonymous");
  CHECK(authentication["service"]["name"] == "keyward-gateway");
  CHECK(json::parse(lines[2])["src_endpoint"] == json{{"name", "operator socket"}});
}

TEST_CASE("audit: records that could not be written are counted in the next one") {
  const TestDirectory directory;
  const TestClock clock;
  const std::string path = directory / "audit.jsonl";
  const auto audit = *AuditLog::open(path, clock);
  const ApiDecision decision{"GetSandbox", "operator", "a"};
  audit->record(decision);
  const std::size_t one = slurp(path).size();
  std::size_t torn = 0;
  SUBCASE("nothing of them") {}
  SUBCASE("a part of the first") { torn = 100; }
  {
    const FileLimit full(one + torn);
    for (int i = 0; i < 3; ++i) audit->record(decision);
    CHECK(slurp(path).size() == one + torn);
  }
  audit->record(decision);
  audit->record(decision);
  const auto lines = lines_of(path);
  REQUIRE(lines.size() == (torn > 0 ? 4 : 3));
  const json first = json::parse(lines[lines.size() - 2]), second = json::parse(lines.back());
  CHECK(first["unmapped"]["records_dropped"] == 3);
  CHECK(first["metadata"]["sequence"] == 5);
  CHECK_FALSE(second.contains("unmapped"));
}
