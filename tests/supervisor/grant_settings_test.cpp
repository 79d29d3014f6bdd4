// What the options of a run make of token endpoints.
#include "supervisor/grant_settings.hpp"

#include <doctest/doctest.h>

#include "base/bytes.hpp"

using namespace keyward;
using namespace keyward::supervisor;

namespace {

const std::string one = base64(std::string(32, '\1')), two = base64(std::string(32, '\2'));

Result<TokenGrantSettings> settings_of(const RunOptions& options) {
  return grant_settings(options, EnvironmentMap(), netproxy::ProxySettings());
}

std::string problem_with_pin(const std::string& pin) {
  RunOptions options;
  options.grant_pins = {pin};
  const auto settings = settings_of(options);
  return settings ? "" : settings.error().what;
}

Digest digest_of(std::uint8_t byte) {
  Digest digest;
  digest.fill(byte);
  return digest;
}

}  // namespace

TEST_CASE("grant settings: pins are for one server, of which any may match") {
  RunOptions options;
  options.grant_pins = {"as.example=sha256/" + one, "AS.example:443=sha256/" + two,
                        "as.example:8443=sha256/" + two, "[::1]:8443=sha256/" + one};
  const auto settings = settings_of(options);
  REQUIRE_MESSAGE(settings.has_value(), settings.error().what);
  const auto& pins = settings->endpoints.spki_pins;
  CHECK(pins.size() == 3);
  CHECK(pins.at("as.example:443") == std::vector<Digest>{digest_of(1), digest_of(2)});
  CHECK(pins.at("as.example:8443") == std::vector<Digest>{digest_of(2)});
  CHECK(pins.at("[::1]:8443") == std::vector<Digest>{digest_of(1)});
  CHECK(settings_of(RunOptions())->endpoints.spki_pins.empty());
}

TEST_CASE("grant settings: a file for each audience") {
  RunOptions options;
  options.assertion_files = {"https://as.example/?a=b=/run/tokens/as", "plain=/run/tokens/plain"};
  const auto settings = settings_of(options);
  REQUIRE_MESSAGE(settings.has_value(), settings.error().what);
  CHECK(settings->assertion_files ==
        std::map<std::string, std::string>{{"https://as.example/?a=b", "/run/tokens/as"},
                                           {"plain", "/run/tokens/plain"}});
  for (const char* text : {"", "/run/tokens/as", "=/run/tokens/as", "as=tokens/as", "as="}) {
    options.assertion_files = {text};
    REQUIRE_FALSE(settings_of(options).has_value());
    CHECK(settings_of(options).error().what.find("--grant-assertion-file") == 0);
  }
  options.assertion_files = {"as=/run/a", "as=/run/b"};
  CHECK_FALSE(settings_of(options).has_value());
}

TEST_CASE("grant settings: what is no pin is no start") {
  CHECK(problem_with_pin("as.example=sha256/" + one).empty());
  for (const std::string& pin : {std::string(),
                                 std::string("as.example"),
                                 "as.example=" + one,
                                 "as.example=sha1/" + one,
                                 "as.example=SHA256/" + one,
                                 "as.example=sha256//" + one,
                                 "=sha256/" + one,
                                 "https://as.example=sha256/" + one,
                                 "as.example/token=sha256/" + one,
                                 "u@as.example=sha256/" + one,
                                 "as.example:0=sha256/" + one,
                                 "as.example:99999=sha256/" + one,
                                 "as.example:=sha256/" + one,
                                 "a b=sha256/" + one,
                                 std::string("as.example=sha256/"),
                                 "as.example=sha256/" + one.substr(4),
                                 "as.example=sha256/" + one.substr(0, one.size() - 1),
                                 "as.example=sha256/" + one + " ",
                                 "as.example=sha256/" + hex(digest_of(1)),
                                 "as.example=sha256/" + base64(std::string(31, '\1'))}) {
    CAPTURE(pin);
    const std::string problem = problem_with_pin(pin);
    CHECK(problem.starts_with("--grant-pin "));
  }
}

TEST_CASE("grant settings: where token endpoints may be") {
  RunOptions options;
  options.grant_ranges = {"10.0.0.0/8", "loopback", "cluster"};
  const auto settings = settings_of(options);
  REQUIRE(settings.has_value());
  CHECK(settings->endpoints.rules.allowed.size() == 1);
  CHECK(settings->endpoints.rules.loopback);
  CHECK(settings->endpoints.rules.cluster_cleartext);
  for (const char* range : {"", "everywhere", "127.0.0.0/8", "0.0.0.0/0", "10.0.0.0/33"}) {
    CAPTURE(range);
    options.grant_ranges = {range};
    CHECK_FALSE(settings_of(options).has_value());
  }
}
