#include "gateway/cli/credentials_file.hpp"

#include "gateway/rpc/names.hpp"
#include "support.hpp"

using namespace keyward;
using namespace keyward::gateway;

TEST_CASE("credentials file: KEY=VALUE lines") {
  const auto file = parse_credentials(
      "# comment\n\nAWS_ACCESS_KEY_ID = "
      "AKIDEXAMPLE\r\nAWS_SECRET_ACCESS_KEY=a=b/c+d\nAWS_REGION=eu-west-1",
      "default");
  REQUIRE(file);
  CHECK(file->credentials.at("AWS_ACCESS_KEY_ID").equals("AKIDEXAMPLE"));
  CHECK(file->credentials.at("AWS_SECRET_ACCESS_KEY").equals("a=b/c+d"));
  CHECK(file->config.at("AWS_REGION") == "eu-west-1");
  CHECK(file->credentials.size() == 2);
}

TEST_CASE("credentials file: one profile of an AWS file") {
  const char* text =
      "[default]\naws_access_key_id=ONE\naws_secret_access_key=S1\n[prod]\naws_access_key_id=TWO\n"
      "aws_secret_access_key=S2\naws_session_token=T\n";
  const auto first = parse_credentials(text, "default");
  REQUIRE(first);
  CHECK(first->credentials.at("AWS_ACCESS_KEY_ID").equals("ONE"));
  CHECK(first->credentials.size() == 2);
  const auto second = parse_credentials(text, "prod");
  REQUIRE(second);
  CHECK(second->credentials.at("AWS_SESSION_TOKEN").equals("T"));
  CHECK(parse_credentials(text, "none").error().code == Code::not_found);
}

TEST_CASE("credentials file: what is not understood is an error that quotes nothing") {
  for (const std::string text :
       {"", "# nothing\n", "SECRETVALUE", "A=", "A=1\nA=2", "1A=x", "A B=x", "[p\nA=x",
        "[default]\naws_access_key_id=1\naws_access_key_id=2", "[default]\ncredential_process=/x",
        "[default]\naws_access_key_id=1\n[default]\n", "A=1\n[default]\naws_access_key_id=1"}) {
    CAPTURE(text);
    const auto refused = parse_credentials(text, "default");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.find("SECRETVALUE") == std::string::npos);
  }
  CHECK_FALSE(parse_credentials(std::string_view("A=1\0B=2", 7), "default"));
}

TEST_CASE("names: what providers may not set") {
  for (const char* name : {"AWS_ACCESS_KEY_ID", "API_KEY", "_x", "a1"}) CHECK(check_variable(name));
  for (const char* name : {"", "1A", "A-B", "A=B", "LD_PRELOAD", "PATH", "BASH_ENV",
                           "OPENSHELL_SANDBOX_TOKEN", "KEYWARD_X", "SPIFFE_ENDPOINT_SOCKET"}) {
    CAPTURE(name);
    CHECK_FALSE(check_variable(name));
  }
  CHECK_FALSE(check_value("A", ""));
  CHECK_FALSE(check_value("A", "a\nb"));
  CHECK_FALSE(check_value("A", std::string(16'385, 'x')));
  for (const char* name : {"", "A", "-a", "a-", "a.b", "a_b"}) CHECK_FALSE(check_name("x", name));
  CHECK_FALSE(check_name("x", std::string(64, 'a')));
  CHECK(check_name("x", "a-1"));
}
