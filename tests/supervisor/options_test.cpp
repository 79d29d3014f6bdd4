// The command line: what is the supervisor's own, and what belongs to the program word for word.

#include "supervisor/options.hpp"

#include <doctest/doctest.h>

using namespace keyward;
using namespace keyward::supervisor;

namespace {

using Words = std::vector<std::string>;

Words command_of(const Words& arguments) {
  const auto parsed = parse_options(arguments);
  REQUIRE_MESSAGE(parsed, (parsed ? "" : parsed.error().what));
  return std::get<RunOptions>(parsed->action).command;
}

Words joined(Words before, const Words& program) {
  before.insert(before.end(), program.begin(), program.end());
  return before;
}

}  // namespace

TEST_CASE("options: the program gets its arguments word for word") {
  const Words program = {"/bin/echo", "[1, 2]", "[", "]",  "[]",       R"([{"a":1},{"b":2}])",
                         "{}",        "",       " ", "--", "--policy", "-x",
                         "a,b",       "\"q\"",  "'", "%%", "@file",    "\\n"};
  CHECK(command_of(joined({"run", "--policy", "p", "--"}, program)) == program);
  CHECK(command_of(joined({"--policy", "p", "--"}, program)) == program);
  CHECK(command_of(joined({"--"}, program)) == program);
}

TEST_CASE("options: a program without the mark before it") {
  const Words program = {"/bin/sh", "-c", "--", "--policy", "--", "[1, 2]"};
  CHECK(command_of(joined({"run", "--policy", "p"}, program)) == program);
  CHECK(command_of(program) == program);
  CHECK_FALSE(parse_options({"run", "/bin/echo", "[1, 2]"}));
  CHECK_FALSE(parse_options({"/bin/echo", "[]"}));
  CHECK_FALSE(parse_options({"debug-rpc", "show-token", "--", "x"}));
}

TEST_CASE("options: the values of repeated options stay whole") {
  const auto parsed = parse_options({"run", "--env", "A=[1, 2]", "--env", "B", "--hide", "/a,b",
                                     "--hide", "[c]", "--", "/bin/true"});
  REQUIRE(parsed);
  const auto& run = std::get<RunOptions>(parsed->action);
  CHECK(run.environment == Words{"A=[1, 2]", "B"});
  CHECK(run.hidden == Words{"/a,b", "[c]"});
  CHECK(run.command == Words{"/bin/true"});
}

TEST_CASE("options: no program is an error") {
  CHECK_FALSE(parse_options({"run", "--policy", "p"}));
  CHECK_FALSE(parse_options({"run", "--policy", "p", "--"}));
}
