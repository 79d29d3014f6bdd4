// Messages of aws-c-auth's test_event_signing.c, and what must not pass.

#include "netproxy/sigv4/event_stream.hpp"

#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "netproxy/sigv4/checksum.hpp"
#include "tests/netproxy/sigv4_support.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

constexpr const char* seed = "e1d8e8c8815e60969f2a34765c9a15945ffc0badbaa4b7e3b163ea19131e949b";
const SigningScope scope{"19810116", "us-east-1", "demo"};

Result<std::shared_ptr<const HmacSha256>> demo_key(const SigningScope& wanted) {
  return std::make_shared<const HmacSha256>(derive_signing_key(Secret("secret"), wanted).reveal());
}

EventChain chain() { return {scope, seed, demo_key}; }
TimePoint second(int number) {
  return time_of("19810116T063000Z") + std::chrono::seconds(number) + std::chrono::milliseconds(9);
}

// CRC-32 of the bytes behind them again, as an attacker would repair it.
std::string with_checksums(std::string message) {
  const auto put = [&message](std::size_t at) {
    Crc32 crc;
    crc.update(std::string_view(message).substr(0, at));
    for (std::size_t i = 0; i < 4; ++i)
      message[at + i] = static_cast<char>(crc.value() >> (24 - 8 * i));
  };
  put(8);
  put(message.size() - 4);
  return message;
}

}  // namespace

TEST_CASE("events: the published chain, signed and opened") {
  EventChain signer = chain(), reader = chain();
  struct Case {
    const char* payload;
    const char* signature;
  };
  int number = 0;
  for (const Case& c :
       {Case{"A", "7aabf85b765e6a4d0d500b6e968657b14726fa3e1eb7e839302728ffd77629a5"},
        {"B", "f72aa9642f571d24a6e1ae42f10f073ad9448d8a028b6bcd82da081335adda02"},
        {"C", "632af120435b57ec241d8bfbb12e496dfd5e2730a1a02ac0ab6eaa230ae02e9a"},
        {"", "c6f679ddb3af68f5e82f0cf6761244cb2338cf11e7d01a24130aea1b7c17e53e"}}) {
    CAPTURE(c.payload);
    const auto message = signer.sign(c.payload, second(++number));
    REQUIRE(message.has_value());
    CHECK(hex(as_bytes(*message)).find(c.signature) != std::string::npos);
    CHECK(event_length(message->substr(0, 12)).value() == message->size());
    CHECK(reader.open(*message, second(number)).value() == c.payload);
  }
  EventChain first = chain();
  CHECK(hex(as_bytes(first.sign("A", second(1)).value())).substr(24, 30) ==
        "053a64617465080000005122b46e28");
}

TEST_CASE("events: the key follows the day") {
  EventChain signer = chain(), reader = chain();
  for (const char* date : {"19810116T235959Z", "19810117T000000Z", "19810117T000001Z"}) {
    const auto message = signer.sign("x", time_of(date));
    REQUIRE(message.has_value());
    CHECK(reader.open(*message, time_of(date)).has_value());
  }
}

TEST_CASE("events: no byte may change, no message may move") {
  const std::string first = chain().sign("payload", second(1)).value();
  for (std::size_t i = 0; i < first.size(); ++i) {
    std::string bad = first;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    CAPTURE(i);
    CHECK_FALSE(chain().open(bad, second(1)).has_value());
    const bool is_checksum = (i >= 8 && i < 12) || i >= first.size() - 4;
    if (!is_checksum) CHECK_FALSE(chain().open(with_checksums(bad), second(1)).has_value());
    CHECK_FALSE(chain().open(first.substr(0, i), second(1)).has_value());
  }
  CHECK_FALSE(chain().open(first + "x", second(1)).has_value());
  EventChain reader = chain();
  CHECK(reader.open(first, second(1)).has_value());
  CHECK(reader.open(first, second(1)).error().code == S3Code::signature_does_not_match);  // again
  EventChain other({"19810116", "us-east-1", "demo"}, std::string(64, '0'), demo_key);
  CHECK(other.open(first, second(1)).error().code == S3Code::signature_does_not_match);
}

TEST_CASE("events: a message's own time is checked") {
  const std::string first = chain().sign("payload", second(0)).value();
  const auto skew = std::chrono::seconds(skew_window);
  CHECK(chain().open(first, second(0) + skew - std::chrono::seconds(1)).has_value());
  for (const TimePoint now :
       {second(0) + skew, second(0) - skew - std::chrono::seconds(1), TimePoint()}) {
    CHECK(chain().open(first, now).error().code == S3Code::request_time_too_skewed);
  }
}
