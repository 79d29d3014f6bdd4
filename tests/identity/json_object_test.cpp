#include "identity/jwt/json_object.hpp"

#include <doctest/doctest.h>

using namespace keyward::identity;

TEST_CASE("json object: members by type") {
  const auto object = parse_json_object(
      R"({"s":"a","i":-3,"b":true,"f":1.5,"n":null,"o":{"x":1},"a":[1],"u":9223372036854775808})");
  REQUIRE(object.has_value());
  CHECK(*object->text("s") == "a");
  CHECK(*object->integer("i") == -3);
  CHECK(*object->boolean("b"));
  for (const char* other : {"f", "n", "o", "a", "u"}) {
    CAPTURE(other);
    CHECK(object->has(other));
    CHECK(object->integer(other) == nullptr);
    CHECK(object->text(other) == nullptr);
  }
  CHECK(object->text("i") == nullptr);
  CHECK_FALSE(object->has("x"));  // a nested member is not the object's own
}

TEST_CASE("json object: refuses") {
  std::string deep;
  for (int i = 0; i < 20; ++i) deep += "[";
  deep += "1" + std::string(20, ']') + "}";
  const std::vector<std::pair<const char*, std::string>> cases = {
      {"duplicate", R"({"a":1,"a":2})"},
      {"duplicate by escape", R"({"a":1,"\u0061":2})"},
      {"nested duplicate", R"({"o":{"a":1,"a":2}})"},
      {"array", "[1]"},
      {"scalar", "1"},
      {"empty", ""},
      {"trailing text", R"({"a":1} x)"},
      {"second object", R"({}{})"},
      {"comment", R"({/* */"a":1})"},
      {"trailing comma", R"({"a":1,})"},
      {"too deep", R"({"a":)" + deep},
      {"bad utf-8", "{\"a\":\"\xff\"}"},
      {"raw control byte", "{\"a\":\"\n\"}"},
      {"lone surrogate", R"({"a":"\ud800"})"},
  };
  for (const auto& [name, text] : cases) {
    CAPTURE(name);
    CHECK_FALSE(parse_json_object(text).has_value());
  }
}

TEST_CASE("json object: errors never quote the text") {
  const auto object = parse_json_object(R"({"token":"hunter2)");
  REQUIRE_FALSE(object.has_value());
  CHECK(object.error().what.find("hunter2") == std::string::npos);
}
