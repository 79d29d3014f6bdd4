#include "base/p256.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/bytes.hpp"

using namespace keyward;

namespace {

// RFC 6979 appendix A.2.5: key and signature of "sample" with SHA-256.
constexpr const char* scalar = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
constexpr const char* point_x = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";
constexpr const char* point_y = "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
constexpr const char* sample_signature =
    "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
constexpr const char* order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const std::string der_head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
const std::string zeros(64, '0');

std::string bytes(std::string_view hex_digits) { return unhex(hex_digits).value(); }
Secret secret_of(std::string_view hex_digits) { return Secret(bytes(hex_digits)); }

P256PublicKey sample_key() {
  return P256PublicKey::from_point(bytes(point_x), bytes(point_y)).value();
}

std::string pem_of(std::string_view der) {
  const std::string text = base64(der);
  const std::size_t line = std::min<std::size_t>(text.size(), 64);
  return "-----BEGIN PUBLIC KEY-----\n" + text.substr(0, line) + "\n" + text.substr(line) +
         "\n-----END PUBLIC KEY-----\n";
}

}  // namespace

TEST_CASE("p256: a published signature, and what differs from it") {
  const P256PublicKey key = sample_key();
  const std::string good = bytes(sample_signature);
  CHECK(key.verifies("sample", good));
  CHECK_FALSE(key.verifies("Sample", good));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    CAPTURE(i);
    CHECK_FALSE(key.verifies("sample", bad));
    CHECK_FALSE(key.verifies("sample", good.substr(0, i)));
  }
  CHECK_FALSE(key.verifies("sample", good + '\0'));
  CHECK_FALSE(key.verifies("sample", bytes("3006020100020100")));
  CHECK_FALSE(key.verifies("sample", bytes("3006020101020101")));
  // The same numbers in BER's long form of the length.
  CHECK_FALSE(key.verifies("sample", bytes("308146") + good.substr(2)));
}

TEST_CASE("p256: a private key gives its public key and signs") {
  const auto key = P256PrivateKey::from_scalar(secret_of(scalar));
  REQUIRE(key.has_value());
  CHECK(key->public_key().x() == bytes(point_x));
  CHECK(key->public_key().y() == bytes(point_y));
  CHECK(key->public_key().verifies("sample", bytes(sample_signature)));
  for (const char* message : {"", "sample", "test"}) {
    const auto made = key->sign(message);
    REQUIRE(made.has_value());
    CHECK(made->size() <= 72);
    CHECK(sample_key().verifies(message, *made));
    CHECK_FALSE(sample_key().verifies(std::string(message) + "x", *made));
  }
}

TEST_CASE("p256: private numbers from 1 to n-1, and no other") {
  std::string one = zeros, below = order;
  one.back() = '1';
  below.back() = '0';
  for (const std::string& good : {one, below}) {
    const auto key = P256PrivateKey::from_scalar(secret_of(good));
    REQUIRE(key.has_value());
    CHECK(key->public_key().verifies("m", key->sign("m").value()));
  }
  for (const std::string& bad : {zeros, std::string(order), std::string(64, 'f'), std::string(),
                                 std::string(62, '1'), std::string(66, '1')}) {
    CAPTURE(bad);
    const auto key = P256PrivateKey::from_scalar(secret_of(bad));
    REQUIRE_FALSE(key.has_value());
    CHECK(key.error().code == Code::invalid);
  }
}

TEST_CASE("p256: public keys as DER and PEM") {
  const std::string der = bytes(der_head + "04" + point_x + point_y);
  REQUIRE(P256PublicKey::from_der(der).has_value());
  CHECK(P256PublicKey::from_der(der)->verifies("sample", bytes(sample_signature)));
  std::string crlf = pem_of(der);
  for (auto at = crlf.find('\n'); at != std::string::npos; at = crlf.find('\n', at + 2))
    crlf.replace(at, 1, "\r\n");
  for (const std::string& pem : {pem_of(der), crlf, "\n" + pem_of(der) + "\n"}) {
    const auto key = P256PublicKey::from_pem(pem);
    REQUIRE(key.has_value());
    CHECK(key->x() == bytes(point_x));
  }
}

TEST_CASE("p256: refuses what is no such key") {
  const std::string der = bytes(der_head + "04" + point_x + point_y);
  std::string other_curve = der, off_curve = der;
  other_curve[22] = '\x08';
  off_curve.back() = static_cast<char>(off_curve.back() ^ 1);
  for (const std::string& bad :
       {std::string(), der.substr(1), der.substr(0, 90), der + "x", other_curve, off_curve,
        bytes(der_head + "04" + zeros + zeros), bytes(der_head + "03" + point_x + point_y)}) {
    CAPTURE(hex(as_bytes(bad)));
    CHECK_FALSE(P256PublicKey::from_der(bad).has_value());
    CHECK_FALSE(P256PublicKey::from_pem(pem_of(bad)).has_value());
  }
  const std::string pem = pem_of(der);
  for (const std::string& bad :
       {std::string(), std::string("-----BEGIN PUBLIC KEY-----"), pem.substr(0, 100), pem + pem,
        "x" + pem, pem.substr(1), base64(der)}) {
    CAPTURE(bad);
    CHECK_FALSE(P256PublicKey::from_pem(bad).has_value());
  }
  CHECK_FALSE(P256PublicKey::from_point(bytes(point_x), bytes(point_y).substr(1)).has_value());
  CHECK_FALSE(P256PublicKey::from_point(bytes(std::string(64, 'f')), bytes(point_y)).has_value());
}
