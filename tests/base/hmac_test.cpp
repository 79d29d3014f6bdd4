#include "base/hmac.hpp"

#include <doctest/doctest.h>

#include "base/bytes.hpp"

using namespace keyward;

namespace {

struct Case {
  const char* name;
  std::string key, data;
  const char* want;
};

// RFC 4231 section 4; case 5 is of a truncated output, here whole.
const Case rfc4231[] = {
    {"1", std::string(20, '\x0b'), "Hi There",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"2: a key shorter than the output", "Jefe", "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"3: data of 50 bytes", std::string(20, '\xaa'), std::string(50, '\xdd'),
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"4",
     "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16"
     "\x17\x18\x19",
     std::string(50, '\xcd'), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {"5", std::string(20, '\x0c'), "Test With Truncation",
     "a3b6167473100ee06e0c796c2955552bfa6f7c0a6a8aef8b93f860aab0cd20c5"},
    {"6: a key longer than a block", std::string(131, '\xaa'),
     "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {"7: key and data longer than a block", std::string(131, '\xaa'),
     "This is a test using a larger than block-size key and a larger than block-size data. The key "
     "needs to be hashed before being used by the HMAC algorithm.",
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"}};

}  // namespace

TEST_CASE("hmac: RFC 4231") {
  for (const Case& c : rfc4231) {
    CAPTURE(c.name);
    CHECK(hex(HmacSha256(c.key).of(c.data)) == c.want);
    CHECK(hex(hmac_sha256(c.key, c.data)) == c.want);
  }
}

TEST_CASE("hmac: a key signs again and again, and moves") {
  HmacSha256 first(rfc4231[0].key);
  const HmacSha256 other(rfc4231[1].key);
  for (int i = 0; i < 3; ++i) {
    CHECK(hex(first.of(rfc4231[0].data)) == rfc4231[0].want);
    CHECK(hex(other.of(rfc4231[1].data)) == rfc4231[1].want);
  }
  HmacSha256 moved(std::move(first));
  CHECK(hex(moved.of(rfc4231[0].data)) == rfc4231[0].want);
  HmacSha256 assigned("");
  assigned = std::move(moved);
  CHECK(hex(assigned.of(rfc4231[0].data)) == rfc4231[0].want);
}

TEST_CASE("hmac: keys around the block size differ only by what they are") {
  for (const std::size_t size : {0, 1, 63, 64, 65, 200}) {
    const std::string key(size, 'k');
    CHECK(HmacSha256(key).of("m") == HmacSha256(key).of("m"));
    CHECK(HmacSha256(key).of("m") != HmacSha256(key + "k").of("m"));
  }
}
