#include "base/secret.hpp"

#include <doctest/doctest.h>

#include <type_traits>

using namespace keyward;

static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_copy_assignable_v<Secret>);

TEST_CASE("secret: takes over and wipes its source") {
  std::string source = "AKIDEXAMPLE";
  const char* bytes = source.data();
  const Secret secret = Secret::take(source);
  CHECK(secret.reveal() == "AKIDEXAMPLE");
  CHECK(source.empty());
  CHECK(bytes[0] == '\0');
}

TEST_CASE("secret: compares whole values") {
  const Secret secret("token");
  CHECK(secret.equals("token"));
  CHECK_FALSE(secret.equals("tokeN"));
  CHECK_FALSE(secret.equals("toke"));
  CHECK(secret.fingerprint() == "sha256:3c469e9d6c5875d3");
}
