#include "identity/jwt/keys.hpp"

#include <array>

#include "base/bytes.hpp"
#include "base/crypto.hpp"

namespace keyward::identity {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t key_size = 32;
constexpr std::size_t line_size = 64;  // RFC 7468 section 2
constexpr std::string_view private_label = "PRIVATE KEY";
constexpr std::string_view public_label = "PUBLIC KEY";

// SEQUENCE { SEQUENCE { OID 1.3.101.112 } BIT STRING (32 bytes follow) }
constexpr std::string_view spki_prefix = "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"sv;

// A PKCS#8 Ed25519 key has constant lengths, so that each shape is a fixed frame around its keys:
// prefix, 32 bytes of private key, and in version 1 an infix and the public key.
struct Pkcs8Shape {
  std::string_view prefix, infix;
};
constexpr std::array<Pkcs8Shape, 3> pkcs8_shapes = {{
    {"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"sv, ""sv},
    {"\x30\x51\x02\x01\x01\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"sv, "\x81\x21\x00"sv},
    {"\x30\x53\x02\x01\x01\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"sv,
     "\xa1\x23\x03\x21\x00"sv},
}};

std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

tl::unexpected<Error> bad_pem(std::string_view label) {
  return fail(Code::invalid, "key file: must hold exactly one \"-----BEGIN " + std::string(label) +
                                 "-----\" block and nothing else");
}

// One block with exactly this label, lines of 64 characters but the last, nothing around it.
Result<Secret> unarmor(std::string_view pem, std::string_view label) {
  if (take_line(pem) != "-----BEGIN " + std::string(label) + "-----") return bad_pem(label);
  Secret body;
  const std::string end = "-----END " + std::string(label) + "-----";
  bool last = false;
  for (;;) {
    const std::string_view line = take_line(pem);
    if (line == end) break;
    if (line.empty() || line.size() > line_size || last) return bad_pem(label);
    last = line.size() < line_size;
    body.append(line);
  }
  if (!pem.empty() || body.empty()) return bad_pem(label);
  Result<std::string> der = unbase64(body.reveal());
  if (!der) return bad_pem(label);
  return Secret::take(*der);
}

Secret armor(const Secret& der, std::string_view label) {
  std::string text = base64(der.reveal());
  const Secret body = Secret::take(text);
  Secret pem("-----BEGIN " + std::string(label) + "-----\n");
  for (std::size_t at = 0; at < body.size(); at += line_size) {
    pem.append(body.reveal().substr(at, line_size));
    pem.append("\n");
  }
  pem.append("-----END " + std::string(label) + "-----\n");
  return pem;
}

Result<SigningKey> make_signing_key(Secret seed) {
  SigningKey key;
  TRY_ASSIGN(key.public_key, ed25519_public_key(seed));
  key.seed = std::move(seed);
  key.kid = key_id(key.public_key);
  return key;
}

Result<SigningKey> read_shape(std::string_view der, const Pkcs8Shape& shape) {
  const std::string_view rest = der.substr(shape.prefix.size());
  TRY_ASSIGN(SigningKey key, make_signing_key(Secret(rest.substr(0, key_size))));
  const std::string_view tail = rest.substr(key_size);
  if (!tail.empty() && tail.substr(shape.infix.size()) != key.public_key)
    return fail(Code::invalid, "key file: the embedded public key is not the private key's");
  return key;
}

bool has_shape(std::string_view der, const Pkcs8Shape& shape) {
  const std::size_t tail = shape.infix.empty() ? 0 : shape.infix.size() + key_size;
  return der.starts_with(shape.prefix) && der.size() == shape.prefix.size() + key_size + tail &&
         der.substr(shape.prefix.size() + key_size).starts_with(shape.infix);
}

}  // namespace

VerifyingKey SigningKey::verifying_key() const {
  return {kid, PublicKey::ed25519(public_key).value()};  // it is the seed's: it has its 32 bytes
}

std::string key_id(std::string_view public_key) {
  const Digest digest = sha256(std::string(spki_prefix).append(public_key));
  return hex(digest).substr(0, 32);
}

SigningKey generate_signing_key() {
  // A seed of 32 bytes always makes a key: value() cannot fail.
  return std::move(make_signing_key(ed25519_generate()).value());
}

Result<SigningKey> parse_private_key_pem(std::string_view pem) {
  TRY_ASSIGN(const Secret der, unarmor(pem, private_label));
  for (const Pkcs8Shape& shape : pkcs8_shapes)
    if (has_shape(der.reveal(), shape)) return read_shape(der.reveal(), shape);
  return fail(Code::invalid, "key file: is not an Ed25519 private key in PKCS#8");
}

Result<std::string> parse_public_key_pem(std::string_view pem) {
  TRY_ASSIGN(const Secret der, unarmor(pem, public_label));
  const std::string_view bytes = der.reveal();
  if (!bytes.starts_with(spki_prefix) || bytes.size() != spki_prefix.size() + key_size)
    return fail(Code::invalid, "key file: is not an Ed25519 public key (SubjectPublicKeyInfo)");
  return std::string(bytes.substr(spki_prefix.size()));
}

Secret private_key_pem(const SigningKey& key) {
  Secret der(pkcs8_shapes[0].prefix);
  der.append(key.seed.reveal());
  return armor(der, private_label);
}

std::string public_key_pem(std::string_view public_key) {
  Secret der(spki_prefix);
  der.append(public_key);
  return std::string(armor(der, public_label).reveal());
}

}  // namespace keyward::identity
