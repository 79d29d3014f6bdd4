// How the findings of `supervisor doctor` are shown.
#include "supervisor/doctor_report.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace keyward::supervisor;

namespace {

const Findings some = {{"user", Health::good, "the program runs as sandbox", ""},
                       {"token", Health::note, "is not kept", ""},
                       {"spiffe", Health::fix, "no entry", "not_registered"}};

}  // namespace

TEST_CASE("doctor report: text for people") {
  CHECK(findings_text(some, false) ==
        "ok    user         the program runs as sandbox\n"
        "note  token        is not kept\n"
        "fix   spiffe       not_registered: no entry\n"
        "\n1 thing to fix\n");
  const std::string coloured = findings_text(some, true);
  CHECK(coloured.find("\x1b[31mfix\x1b[0m   spiffe       not_registered") != std::string::npos);
  CHECK(coloured.find("\x1b[32mok\x1b[0m    user         the") != std::string::npos);
  CHECK(findings_text({some[0]}, false) ==
        "ok    user         the program runs as sandbox\n\nnothing to fix\n");
  CHECK(findings_text({some[2], some[2]}, false).ends_with("\n2 things to fix\n"));
}

TEST_CASE("doctor report: one object for programs") {
  const auto all = nlohmann::json::parse(findings_json(some));
  CHECK(all["ok"] == false);
  CHECK(all["checks"].size() == 3);
  CHECK(all["checks"][0] ==
        nlohmann::json(
            {{"check", "user"}, {"health", "ok"}, {"detail", "the program runs as sandbox"}}));
  CHECK(all["checks"][2]["verdict"] == "not_registered");
  CHECK(nlohmann::json::parse(findings_json({some[1]}))["ok"] == true);
  // What came from elsewhere is one line all the same.
  const std::string odd = findings_json({{"gateway", Health::fix, "a\nb\xff", ""}});
  CHECK(odd.find('\n') == std::string::npos);
  CHECK(nlohmann::json::parse(odd)["checks"][0]["detail"].is_string());
}

TEST_CASE("doctor report: notes are nothing to fix") {
  CHECK(has_something_to_fix(some));
  CHECK_FALSE(has_something_to_fix({some[0], some[1]}));
  CHECK_FALSE(has_something_to_fix({}));
}
