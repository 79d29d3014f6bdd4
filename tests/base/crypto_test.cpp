#include "base/crypto.hpp"

#include <doctest/doctest.h>

#include <set>

#include "base/bytes.hpp"

using namespace keyward;

TEST_CASE("crypto: SHA-256 of FIPS 180 examples, whole and in pieces") {
  const char* want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  CHECK(hex(sha256("abc")) == want);
  Sha256 stream;
  stream.update("a");
  stream.update("bc");
  CHECK(hex(stream.finish()) == want);
  CHECK(hex(stream.finish()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("crypto: SHA-1 of the FIPS 180 example") {
  CHECK(hex(sha1("abc")) == "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST_CASE("crypto: HMAC-SHA-256 of RFC 4231 case 2") {
  CHECK(hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST_CASE("crypto: Ed25519 of RFC 8032 section 7.1 test 2") {
  const Secret seed(
      unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").value());
  const std::string public_key = ed25519_public_key(seed).value();
  CHECK(hex(as_bytes(public_key)) ==
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  std::string signature = ed25519_sign(seed, "\x72").value();
  CHECK(ed25519_verify(public_key, "\x72", signature));
  CHECK_FALSE(ed25519_verify(public_key, "\x73", signature));
  signature[0] = static_cast<char>(signature[0] ^ 1);
  CHECK_FALSE(ed25519_verify(public_key, "\x72", signature));
  CHECK_FALSE(ed25519_sign(Secret("short"), "x").has_value());
}

TEST_CASE("crypto: AES-256-GCM opens only in its own place") {
  const Secret key(std::string(32, 'k'));
  const std::string sealed = aes256gcm_seal(key, "secret", "row 1").value();
  CHECK(aes256gcm_open(key, sealed, "row 1").value().reveal() == "secret");
  CHECK_FALSE(aes256gcm_open(key, sealed, "row 2").has_value());
  CHECK_FALSE(aes256gcm_open(Secret(std::string(32, 'x')), sealed, "row 1").has_value());
  CHECK_FALSE(aes256gcm_open(key, sealed.substr(0, 20), "row 1").has_value());
  CHECK(aes256gcm_seal(key, "secret", "row 1").value() != sealed);
}

TEST_CASE("crypto: uuids are version 4 and differ") {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(random_uuid());
  CHECK(seen.size() == 100);
  CHECK(seen.begin()->size() == 36);
  CHECK((*seen.begin())[14] == '4');
}
