#include "sigv4proxy/client_keys.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace keyward;
using namespace keyward::sigv4proxy;

namespace {

const std::string derived_key(64, 'a');

std::string good_file() {
  return "[clients.AKIASECRET]\nsecret_access_key = \"s\"\n\n"
         "[clients.ASIATOKEN]\nsecret_access_key = \"s\"\nsession_token = \"t\"\n\n"
         "[[clients.AKIADERIVED.derived]]\ndate = \"20300317\"\nregion = \"r\"\nservice = "
         "\"s3\"\nkey = \"" +
         derived_key + "\"\n";
}

}  // namespace

TEST_CASE("sigv4-proxy client keys: the file") {
  const auto keys = read_client_keys(good_file(), "f");
  REQUIRE(keys.has_value());
  CHECK(keys->size() == 3);
  CHECK(keys->at("ASIATOKEN").session_token.equals("t"));
  CHECK(keys->at("AKIADERIVED").derived.at(0).scope.text() == "20300317/r/s3/aws4_request");
}

TEST_CASE("sigv4-proxy client keys: what is refused, without quoting it") {
  for (const char* text :
       {"", "other = 1\n", "[clients]\n", "[clients.A]\n",
        "[clients.A]\nsession_token = \"hidden\"\n", "[clients.A]\nsecret_access_key = 1\n",
        "[clients.A]\nsecret_access_key = \"\"\n", "[clients.A]\nsecret = \"hidden\"\n",
        "[clients.A]\npublic_key = \"hidden\"\n", "[clients.A]\nderived = \"hidden\"\n",
        "[[clients.A.derived]]\ndate = \"20300317\"\nregion = \"r\"\nservice = \"s\"\nkey = "
        "\"hidden\"\n",
        "[[clients.A.derived]]\nkey = \"aaaa\"\n", "not toml"}) {
    CAPTURE(text);
    const auto keys = read_client_keys(text, "f");
    REQUIRE_FALSE(keys.has_value());
    CHECK(keys.error().what.starts_with("f:"));
    CHECK(keys.error().what.find("hidden") == std::string::npos);
  }
}
