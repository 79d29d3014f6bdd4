// The credentials file of local mode: keys, roles in their place, and what is refused with its
// line.
#include "supervisor/local_credentials.hpp"

#include <doctest/doctest.h>

using namespace keyward;
using namespace keyward::supervisor;

namespace {

constexpr const char* keys = R"([aws.stored]
access_key_id = "AKIAONE"
secret_access_key = "hidden-secret"
bind = ["s3.x.com:443/bucket/**", "s3.y.com"]
)";
constexpr const char* role = R"([aws.reader]
web_identity_role = "arn:aws:iam::1:role/reader"
region = "eu-central-1"
bind = ["s3.z.com:443"]
)";

std::string problem_of(const std::string& text) {
  const auto read = parse_local_credentials(text, "f.toml");
  return read ? "" : read.error().what;
}

}  // namespace

TEST_CASE("local credentials: keys and roles") {
  const auto read = parse_local_credentials(std::string(keys) + role, "f.toml");
  REQUIRE_MESSAGE(read.has_value(), read.error().what);
  REQUIRE(read->keys.aws.size() == 1);
  CHECK(read->keys.aws[0].provider == "stored");
  CHECK(read->keys.aws[0].bindings.size() == 2);
  REQUIRE(read->grants.table.bindings().size() == 1);
  const identity::GrantBinding& binding = read->grants.table.bindings()[0];
  CHECK(binding.identity == "reader:web_identity");
  CHECK(binding.where == identity::Selector{"s3.z.com", 443, ""});
  CHECK(binding.grant.token_endpoint == "https://sts.eu-central-1.amazonaws.com");
  CHECK(binding.grant.svid_audience == "sts.amazonaws.com");
  CHECK(gives_keys(read->grants));
  CHECK_FALSE(gives_keys(parse_local_credentials(keys, "f.toml")->grants));
}

TEST_CASE("local credentials: all that a role can say") {
  const auto read = parse_local_credentials(R"([aws.far]
web_identity_role = "arn:aws:iam::1:role/near"
region = "eu-central-1"
sts_endpoint = "https://sts.x.com"
jwt_svid_audience = "sts"
session_name = "me"
duration_seconds = 900
assume = [{role_arn = "arn:aws:iam::2:role/far", external_id = "agreed", session_name = "there", duration_seconds = 1800}]
bind = ["s3.x.com:443/a/**", "s3.x.com:443/b/**"]
)",
                                            "f.toml");
  REQUIRE_MESSAGE(read.has_value(), read.error().what);
  REQUIRE(read->grants.table.bindings().size() == 2);
  const identity::Grant& grant = read->grants.table.bindings()[0].grant;
  CHECK(grant.token_endpoint == "https://sts.x.com");
  CHECK(grant.svid_audience == "sts");
  using std::chrono::seconds;
  CHECK(grant.aws ==
        identity::AwsGrant{"eu-central-1",
                           {{"arn:aws:iam::1:role/near", "me", "", seconds(900)},
                            {"arn:aws:iam::2:role/far", "there", "agreed", seconds(1800)}}});
  CHECK(grant == read->grants.table.bindings()[1].grant);  // one question for both places
}

TEST_CASE("local credentials: what is refused, with its line and without its secret") {
  const auto with = [](const std::string& line) { return std::string(role) + line + "\n"; };
  const struct {
    std::string text;
    const char* said;
  } cases[] = {
      {"[azure.x]\na = 1\n", "f.toml:1: unknown key azure"},
      {"[aws]\nx = 1\n", "f.toml:2: expected a table [aws.NAME]"},
      {"[aws.x]\naccess_key_id = \"A\"\nbind = [\"a.b.c\"]\n", "needs access_key_id and secret"},
      {"[aws.x]\naccess_key_id = \"A\"\nsecret_access_key = \"hidden\"\n", "needs bind"},
      {"[aws.x]\naccess_key_id = 1\n", "f.toml:2: access_key_id must be a non-empty string"},
      {std::string(keys) + "region = \"x\"\n", "f.toml:5: unknown key region"},
      {with("access_key_id = \"A\""), "f.toml:5: unknown key access_key_id"},
      {with("duration_seconds = \"900\""), "f.toml:5: duration_seconds must be a number"},
      {with("duration_seconds = 60"), "f.toml:1: [aws.reader] token grant: aws.roles.duration"},
      {with("assume = [1]"), "f.toml:5: assume must be a list of tables"},
      {with("assume = {role_arn = \"a\"}"), "f.toml:5: assume must be a list"},
      {with("assume = [{arn = \"a\"}]"), "f.toml:5: unknown key arn"},
      {with("assume = [{role_arn = \"a\"}]"), "role_arn is no ARN"},
      {"[aws.x]\nweb_identity_role = \"arn:aws:iam::1:role/r\"\nbind = [\"a.b.c\"]\n",
       "aws.region or token_endpoint must say whose STS"},
      {"[aws.x]\nweb_identity_role = \"arn:aws:iam::1:role/r\"\nregion = \"eu-west-1\"\n",
       "needs bind"},
      {std::string(role) + "[aws.other]\nweb_identity_role = \"arn:aws:iam::1:role/o\"\n"
                           "region = \"eu-west-1\"\nbind = [\"s3.z.com:443\"]\n",
       "neither is more specific"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const std::string problem = problem_of(c.text);
    CAPTURE(problem);
    CHECK(problem.find(c.said) != std::string::npos);
    CHECK(problem.find("hidden") == std::string::npos);
  }
}
