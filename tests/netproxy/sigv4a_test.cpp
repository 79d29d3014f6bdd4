// SigV4a's key derivation, and the keys that are kept.

#include "netproxy/sigv4/sigv4a.hpp"

#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "netproxy/sigv4/signing_keys.hpp"
#include "tests/netproxy/sigv4_support.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

Digest digest_of(std::string_view hex_digits) {
  const std::string bytes = unhex(hex_digits).value();
  Digest digest{};
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

std::string private_number(std::string_view id, const std::string& secret) {
  const HmacSha256 mac("AWS4A" + secret);
  const auto number =
      sigv4a_private_number(id, [&](std::string_view input) { return mac.of(input); });
  return hex(as_bytes(number.value().reveal()));
}

}  // namespace

TEST_CASE("sigv4a: the published key pairs") {
  struct Case {
    const char* id;
    const char* secret;
    const char* number;
    const char* x;
    const char* y;
  };
  for (const Case& c :
       {Case{"AKISORANDOMAASORANDOM", "q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom",
             "7fd3bd010c0d9c292141c2b77bfbde1042c92e6836fff749d1269ec890fca1bd",
             "15d242ceebf8d8169fd6a8b5a746c41140414c3b07579038da06af89190fffcb",
             "0515242cedd82e94799482e4c0514b505afccf2c0c98d6a553bf539f424c5ec0"},
        {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
         "7efc8c0e65a324242818c5a50c891c6060b6a00717b7ba3cbe3c5d765be9259c",
         "b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1",
         "865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518"},
        {s3_key_id, s3_secret, "04c4d39191ae06f37a86b873d2f9951f7c37621d69e0eb834fb622c368f360c3",
         "18b7d04643359f6ec270dcbab8dce6d169d66ddc9778c75cfb08dfdb701637ab",
         "fa36b35e4fe67e3112261d2e17a956ef85b06e44712d2850bcd3c2161e9993f2"}}) {
    CAPTURE(c.id);
    CHECK(private_number(c.id, c.secret) == c.number);
    const auto key = derive_sigv4a_key(c.id, Secret(c.secret));
    REQUIRE(key.has_value());
    CHECK(hex(as_bytes(key->public_key().x())) == c.x);
    CHECK(hex(as_bytes(key->public_key().y())) == c.y);
  }
}

TEST_CASE("sigv4a: a candidate out of range is followed by the next") {
  const std::string largest = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254f";
  const std::string above = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550";
  const auto always = [](const std::string& value) {
    return sigv4a_private_number("AKID", [&](std::string_view) { return digest_of(value); });
  };
  CHECK(hex(as_bytes(always(largest)->reveal())) ==
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550");
  CHECK(hex(as_bytes(always(std::string(64, '0'))->reveal())) == std::string(63, '0') + "1");
  CHECK(hex(as_bytes(always(std::string(62, '0') + "ff")->reveal())) ==
        std::string(61, '0') + "100");
  CHECK(always(above).error().code == Code::internal);
  CHECK(always(std::string(64, 'f')).error().code == Code::internal);

  std::vector<std::string> inputs;
  const auto number = sigv4a_private_number("AKID", [&](std::string_view input) {
    inputs.emplace_back(input);
    return digest_of(inputs.size() < 3 ? std::string(64, 'f') : std::string(64, '1'));
  });
  REQUIRE(number.has_value());
  REQUIRE(inputs.size() == 3);
  const std::string head("\0\0\0\1AWS4-ECDSA-P256-SHA256\0AKID", 31);
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(inputs[i] == head + static_cast<char>(i + 1) + std::string("\0\0\1\0", 4));
}

TEST_CASE("sigv4a: region sets") {
  struct Case {
    const char* set;
    const char* region;
    bool covers;
  };
  for (const Case& c : {Case{"*", "us-east-1", true},
                        {"*", "*", true},
                        {"us-east-1", "us-east-1", true},
                        {"us-east-1,eu-west-1", "eu-west-1", true},
                        {"us-east-1, eu-west-1", "eu-west-1", true},
                        {"us-*", "us-west-2", true},
                        {"eu-*,us-west-2", "us-west-2", true},
                        {"us-east-1", "us-east-10", false},
                        {"us-east-1", "*", false},
                        {"", "us-east-1", false},
                        {",", "us-east-1", false},
                        {"us-*", "eu-west-1", false}}) {
    CAPTURE(c.set);
    CAPTURE(c.region);
    CHECK(region_set_covers(c.set, c.region) == c.covers);
  }
}

TEST_CASE("signing keys: what is kept is what would be derived") {
  SigningKeys kept;
  const auto right = [&](std::string_view id, const std::string& secret,
                         const SigningScope& scope) {
    const HmacSha256 derived(derive_signing_key(Secret(secret), scope).reveal());
    return kept.get(id, Secret(secret), scope)->of("text") == derived.of("text");
  };
  const SigningScope day{"20130524", "us-east-1", "s3"};
  for (const SigningScope& scope : std::vector<SigningScope>{day,
                                                             day,
                                                             {"20130525", "us-east-1", "s3"},
                                                             {"20130524", "us-east-2", "s3"},
                                                             {"20130524", "us-east-1", "sts"},
                                                             day})
    CHECK(right("AKID", "secret", scope));
  CHECK(right("AKID", "rotated under the same id", day));
  CHECK(right("OTHER", "secret", day));
  for (std::size_t i = 0; i < 3 * SigningKeys::limit; ++i)
    CHECK(right("AKID", "secret", {"20130524", "region-" + std::to_string(i % 100), "s3"}));
}

TEST_CASE("signing keys: the latest used stay, and what was given outlives them") {
  SigningKeys kept;
  const Secret secret("secret");
  const auto get = [&](std::size_t i) {
    return kept.get("AKID", secret, {"20130524", "region-" + std::to_string(i), "s3"});
  };
  const auto first = get(0), second = get(1);
  for (std::size_t i = 2; i <= SigningKeys::limit; ++i) {
    get(i);
    CHECK(get(0) == first);  // the same object: not derived again
  }
  CHECK(get(0) == first);
  CHECK(get(1) != second);
  CHECK(get(1)->of("x") == second->of("x"));
}

TEST_CASE("signing keys: SigV4a pairs are kept per credential") {
  SigningKeys kept;
  const auto x = [&](const char* id, const char* secret) {
    return kept.key_pair(id, Secret(secret)).value().public_key().x();
  };
  CHECK(x("A", "one") == x("A", "one"));
  CHECK(x("A", "one") != x("A", "two"));
  CHECK(x("A", "one") != x("B", "one"));
}
