#include "base/log.hpp"

#include <doctest/doctest.h>

using namespace keyward;

TEST_CASE("log: foreign bytes cannot break a line") {
  CHECK(log::json_quote("a\"b\\c\n\x1b[0m") == "\"a\\\"b\\\\c\\u000a\\u001b[0m\"");
  CHECK(log::json_quote("\xC3\xA4\xff\xC0\x80") == "\"\xC3\xA4\\ufffd\\ufffd\\ufffd\"");
  CHECK(log::json_quote("\xE2\x82") == "\"\\ufffd\\ufffd\"");
}
