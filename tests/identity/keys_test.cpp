#include "identity/jwt/keys.hpp"

#include <doctest/doctest.h>

#include "base/bytes.hpp"
#include "base/crypto.hpp"

using namespace keyward;
using namespace keyward::identity;

namespace {

// RFC 8032 section 7.1, test 1.
const std::string seed =
    unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").value();
const std::string public_key =
    unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").value();
const std::string v0 = "302e020100300506032b657004220420";
const std::string v1 = "3051020101300506032b657004220420";
const std::string v1_old = "3053020101300506032b657004220420";

std::string pem(std::string_view label, const std::string& hex_digits) {
  const std::string body = base64(unhex(hex_digits).value());
  std::string text = "-----BEGIN " + std::string(label) + "-----\n";
  for (std::size_t i = 0; i < body.size(); i += 64) text += body.substr(i, 64) + "\n";
  return text + "-----END " + std::string(label) + "-----\n";
}

}  // namespace

TEST_CASE("keys: the three PKCS#8 shapes") {
  const std::string key = hex(as_bytes(seed)), pub = hex(as_bytes(public_key));
  for (const std::string& der :
       {v0 + key, v1 + key + "812100" + pub, v1_old + key + "a123032100" + pub}) {
    CAPTURE(der);
    const auto parsed = parse_private_key_pem(pem("PRIVATE KEY", der));
    REQUIRE(parsed.has_value());
    CHECK(parsed->seed.equals(seed));
    CHECK(parsed->public_key == public_key);
    CHECK(parsed->kid == key_id(public_key));
  }
}

TEST_CASE("keys: refuses other key files") {
  const std::string key = hex(as_bytes(seed)), pub = hex(as_bytes(public_key));
  const std::string good = pem("PRIVATE KEY", v0 + key);
  std::string other = pub;
  other[0] = other[0] == '0' ? '1' : '0';
  const std::vector<std::pair<const char*, std::string>> cases = {
      {"empty", ""},
      {"other label", pem("ENCRYPTED PRIVATE KEY", v0 + key)},
      {"text before", "Bag Attributes\n" + good},
      {"text after", good + "x"},
      {"two blocks", good + good},
      {"no end", good.substr(0, 60)},
      {"short key", pem("PRIVATE KEY", v0 + key.substr(2))},
      {"long key", pem("PRIVATE KEY", v0 + key + "00")},
      {"other algorithm", pem("PRIVATE KEY", "302e020100300506032b656e04220420" + key)},
      {"version 2", pem("PRIVATE KEY", "302e020102300506032b657004220420" + key)},
      {"another public key", pem("PRIVATE KEY", v1 + key + "812100" + other)},
      {"public key cut", pem("PRIVATE KEY", v1 + key + "812100" + pub.substr(2))},
      {"version 1 without public key", pem("PRIVATE KEY", v1 + key)},
      {"blank line", "-----BEGIN PRIVATE KEY-----\n\n" + good.substr(28)},
  };
  for (const auto& [name, text] : cases) {
    CAPTURE(name);
    CHECK_FALSE(parse_private_key_pem(text).has_value());
  }
}

TEST_CASE("keys: what is written is read again") {
  const SigningKey key = generate_signing_key();
  const auto again = parse_private_key_pem(private_key_pem(key).reveal());
  REQUIRE(again.has_value());
  CHECK(again->public_key == key.public_key);
  CHECK(parse_public_key_pem(public_key_pem(key.public_key)).value() == key.public_key);
  CHECK_FALSE(parse_public_key_pem(private_key_pem(key).reveal()).has_value());
  CHECK_FALSE(parse_private_key_pem(public_key_pem(key.public_key)).has_value());
}

TEST_CASE("keys: kid is the first half of the SPKI's digest") {
  const std::string spki = unhex("302a300506032b6570032100").value() + public_key;
  CHECK(key_id(public_key) == hex(sha256(spki)).substr(0, 32));
  CHECK(key_id(public_key).size() == 32);
}

TEST_CASE("keys: CRLF lines are read") {
  std::string text = pem("PRIVATE KEY", v0 + hex(as_bytes(seed)));
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2)
    text.insert(at, "\r");
  CHECK(parse_private_key_pem(text).has_value());
}
