#include "gateway/log_book.hpp"

#include <doctest/doctest.h>

using namespace keyward;
using namespace keyward::gateway;

namespace {

LogLine line(const std::string& message) {
  LogLine made;
  made.message = message;
  return made;
}

}  // namespace

TEST_CASE("log book: the last lines of each sandbox, and from a number on") {
  LogBook book;
  CHECK(book.lines("a", 0).empty());
  for (int i = 1; i <= 1500; ++i) book.add("a", {line("m" + std::to_string(i))});
  book.add("b", {line("other"), line("more")});
  const auto all = book.lines("a", 0);
  REQUIRE(all.size() == LogBook::lines_limit);
  CHECK(all.front().number == 501);
  CHECK(all.front().message == "m501");
  CHECK(all.back().number == 1500);
  CHECK(book.lines("a", 1499).size() == 1);
  CHECK(book.lines("a", 1500).empty());
  CHECK(book.lines("b", 1).at(0).message == "more");
  book.forget("a");
  CHECK(book.lines("a", 0).empty());
  CHECK(book.lines("b", 0).size() == 2);
}

TEST_CASE("log book: a long line is cut, and what does not fit is left out") {
  LogBook book;
  LogLine long_one = line(std::string(10'000, 'm'));
  long_one.fields = {{"a", std::string(10, 'v')}};
  LogLine wide;
  wide.fields = {{"a", std::string(10, 'v')}, {"b", std::string(10'000, 'v')}};
  book.add("a", {long_one, wide});
  const auto kept = book.lines("a", 0);
  CHECK(kept.at(0).message.size() == LogBook::line_limit);
  CHECK(kept.at(0).fields.empty());
  CHECK(kept.at(1).fields.size() == 1);
  std::string accents = "x";
  while (accents.size() < 10'000) accents += "\u00e9";  // two bytes each
  book.add("b", {line(accents)});
  CHECK(book.lines("b", 0).at(0).message.size() == LogBook::line_limit - 1);
}

TEST_CASE("log book: floods of several sandboxes stay within the memory that is set") {
  LogBook book;
  const std::string text(LogBook::line_limit, 'x');
  std::size_t kept = 0;
  for (int sandbox = 0; sandbox < 40; ++sandbox)
    for (int i = 0; i < 1200; ++i) book.add("s" + std::to_string(sandbox), {line(text)});
  for (int sandbox = 0; sandbox < 40; ++sandbox)
    kept += book.lines("s" + std::to_string(sandbox), 0).size();
  CHECK(kept * LogBook::line_limit <= LogBook::bytes_limit);
  CHECK(book.lines("s39", 0).size() == LogBook::lines_limit);
  CHECK(book.lines("s0", 0).empty());
}

TEST_CASE("log book: of too many sandboxes the silent one is forgotten") {
  LogBook book;
  for (std::size_t i = 0; i < LogBook::sandboxes_limit; ++i)
    book.add("s" + std::to_string(i), {line("x")});
  book.add("s0", {line("y")});
  book.add("new", {line("z")});
  CHECK(book.lines("s0", 0).size() == 2);
  CHECK(book.lines("s1", 0).empty());
  CHECK(book.lines("new", 0).size() == 1);
}
