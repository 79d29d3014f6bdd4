// The command line: what is the supervisor's own, and what belongs to the program word for word.

#include "supervisor/options.hpp"

#include <doctest/doctest.h>

using namespace keyward;
using namespace keyward::supervisor;

namespace {

using Words = std::vector<std::string>;

Options parsed(const std::vector<std::string>& arguments) {
  auto options = parse_options(arguments);
  REQUIRE_MESSAGE(options.has_value(), (options ? "" : options.error().what));
  return std::move(*options);
}

std::string help_of(const std::vector<std::string>& arguments) {
  return std::get<Answer>(parsed(arguments).action).text;
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

Words command_of(const Words& arguments) {
  return std::get<RunOptions>(parsed(arguments).action).command;
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
  const auto whole = parse_options({"run", "--env", "A=[1, 2]", "--env", "B", "--hide", "/a,b",
                                    "--hide", "[c]", "--", "/bin/true"});
  REQUIRE(whole);
  const auto& run = std::get<RunOptions>(whole->action);
  CHECK(run.environment == Words{"A=[1, 2]", "B"});
  CHECK(run.hidden == Words{"/a,b", "[c]"});
  CHECK(run.command == Words{"/bin/true"});
}

TEST_CASE("options: no program is an error") {
  CHECK_FALSE(parse_options({"run", "--policy", "p"}));
  CHECK_FALSE(parse_options({"run", "--policy", "p", "--"}));
}

TEST_CASE("options: doctor takes the options of a run, and no program") {
  const auto doctor = std::get<DoctorOptions>(
      parsed({"doctor", "--json", "--user", "agent", "--proxy-port", "4000", "--grant-range",
              "cluster", "--grant-pin", "a.b=sha256/x", "--grant-pin", "c.d=sha256/y",
              "--gateway-client-identity", "spiffe"})
          .action);
  CHECK(doctor.json);
  CHECK(doctor.run.user == "agent");
  CHECK(doctor.run.proxy_port == 4000);
  CHECK(doctor.run.grant_ranges == std::vector<std::string>{"cluster"});
  CHECK(doctor.run.grant_pins == std::vector<std::string>{"a.b=sha256/x", "c.d=sha256/y"});
  CHECK(doctor.run.identity.client == ClientIdentity::spiffe);
  CHECK_FALSE(parse_options({"doctor", "program"}).has_value());
  CHECK_FALSE(parse_options({"doctor", "--nonsense"}).has_value());
}

TEST_CASE("options: sources of AWS keys, of a run and of doctor") {
  const Words given = {"--aws-credentials", "a=chain", "--aws-bind",        "a=h:443/b/**",
                       "--aws-bind",        "a=[::1]", "--aws-credentials", "b=imds"};
  const auto run =
      std::get<RunOptions>(parsed(joined(joined({"run"}, given), {"--", "/bin/true"})).action);
  CHECK(run.aws_sources == Words{"a=chain", "b=imds"});
  CHECK(run.aws_bindings == Words{"a=h:443/b/**", "a=[::1]"});
  const auto doctor = std::get<DoctorOptions>(parsed(joined({"doctor"}, given)).action);
  CHECK(doctor.run.aws_sources == run.aws_sources);
  CHECK(has(help_of({"run", "--help"}), "--aws-credentials"));
}

TEST_CASE("options: what is no subcommand is a program") {
  CHECK(std::get<RunOptions>(parsed({"--", "doctor"}).action).command ==
        std::vector<std::string>{"doctor"});
  CHECK(std::get<RunOptions>(parsed({"run", "--", "doctor", "--json"}).action).command ==
        std::vector<std::string>{"doctor", "--json"});
  CHECK_FALSE(parse_options({"run"}).has_value());
}

TEST_CASE("options: who the supervisor and its gateway are") {
  const auto run =
      std::get<RunOptions>(parsed({"run", "--spiffe-id", "spiffe://x/y", "--gateway-spiffe-id",
                                   "spiffe://x/gateway", "--", "true"})
                               .action);
  CHECK(run.identity.spiffe_id == "spiffe://x/y");
  CHECK(run.identity.gateway_spiffe_id == "spiffe://x/gateway");
  CHECK(run.identity.client == ClientIdentity::files);
  CHECK_FALSE(
      parse_options({"run", "--gateway-client-identity", "token", "--", "true"}).has_value());
  const auto debug = std::get<DebugRpcOptions>(
      parsed({"debug-rpc", "show-token", "--gateway-client-identity", "spiffe"}).action);
  CHECK(debug.identity.client == ClientIdentity::spiffe);
}

TEST_CASE("options: help lists what there is") {
  const std::string all = help_of({"--help"});
  for (const char* name : {"run", "debug-rpc", "doctor"}) CHECK(has(all, name));
  const std::string doctor = help_of({"doctor", "--help"});
  for (const char* part : {"--json", "--user", "Exit codes", "--gateway-spiffe-id"})
    CHECK(has(doctor, part));
  CHECK(has(help_of({"run", "--help"}), "--gateway-client-identity"));
}
