// The published signing suites of SigV4 and SigV4a (aws-c-auth, Apache-2.0), signed and verified,
// read from the folder that KEYWARD_VECTORS names.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "netproxy/sigv4/canonical.hpp"
#include "netproxy/sigv4/query.hpp"
#include "netproxy/sigv4/signature.hpp"
#include "netproxy/sigv4/sigv4a.hpp"
#include "tests/netproxy/sigv4_support.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

struct SuiteRequest {
  RequestHead head;
  std::string body;
};

// Lines end with LF; a line that begins with a blank continues the one before it.
SuiteRequest parse_suite_request(std::string text) {
  SuiteRequest request;
  const auto body = text.find("\n\n");
  if (body != std::string::npos) {
    request.body = text.substr(body + 2);
    text.resize(body);
  }
  auto end = text.find('\n');
  const std::string first = text.substr(0, end);
  request.head.method = first.substr(0, first.find(' '));
  const std::size_t begin = request.head.method.size() + 1;
  request.head.target = first.substr(begin, first.rfind(" HTTP/1.1") - begin);
  Headers& headers = request.head.headers;
  while (end != std::string::npos) {
    const auto start = end + 1;
    end = text.find('\n', start);
    const std::string line = text.substr(start, end == std::string::npos ? end : end - start);
    if (line.empty()) continue;
    if (line[0] == ' ')
      headers.back().value += line;
    else
      headers.push_back({line.substr(0, line.find(':')), line.substr(line.find(':') + 1)});
  }
  return request;
}

std::string compact_date(std::string iso) {
  std::erase_if(iso, [](char c) { return c == '-' || c == ':'; });
  return iso;
}

// One case of one suite: what its context says, and its files.
struct SuiteCase {
  std::filesystem::path folder;
  SigningAlgorithm algorithm;
  nlohmann::json context;
  SuiteRequest request;
  AwsCredentials credentials;
  std::string date, body_hash, region;
  SigningScope scope;

  std::string file(const char* name) const { return read_file((folder / name).string()).value(); }
  PathStyle style() const { return {context["normalize"].get<bool>(), true}; }
  P256PrivateKey pair() const {
    return derive_sigv4a_key(credentials.access_key_id, credentials.secret_access_key).value();
  }
  bool is_right(const std::string& signed_text, const std::string& text) const {
    if (algorithm == SigningAlgorithm::ecdsa)
      return pair().public_key().verifies(text, unhex(signed_text).value());
    const Secret key = derive_signing_key(credentials.secret_access_key, scope);
    return signature(HmacSha256(key.reveal()), text) == signed_text;
  }
  VerifierRules rules() const { return {"service", region, style(), time_of(date), body_hash}; }
};

SuiteCase load(const std::filesystem::path& folder, SigningAlgorithm algorithm) {
  SuiteCase c{folder, algorithm, {}, {}, {}, {}, {}, {}, {}};
  c.context = nlohmann::json::parse(c.file("context.json"));
  c.request = parse_suite_request(c.file("request.txt"));
  const auto& keys = c.context["credentials"];
  c.credentials = {keys["access_key_id"], Secret(keys["secret_access_key"].get<std::string>()),
                   Secret(keys.value("token", ""))};
  c.date = compact_date(c.context["timestamp"]);
  c.body_hash = hex(sha256(c.request.body));
  c.region = c.context["region"];
  c.scope = {c.date.substr(0, 8), c.region, c.context["service"], algorithm};
  return c;
}

void check_header_signing(const SuiteCase& c) {
  Headers headers = c.request.head.headers;
  headers.push_back({"X-Amz-Date", c.date});
  if (!c.credentials.session_token.empty())
    headers.push_back({"X-Amz-Security-Token", std::string(c.credentials.session_token.reveal())});
  if (c.context.value("sign_body", false)) headers.push_back({"x-amz-content-sha256", c.body_hash});
  if (c.algorithm == SigningAlgorithm::ecdsa) headers.push_back({"X-Amz-Region-Set", c.region});
  const auto target = canonical_target(c.request.head.target, c.style());
  REQUIRE(target.has_value());
  const CanonicalRequest canonical =
      canonical_request(c.request.head.method, *target, headers, c.body_hash);
  CHECK(canonical.text == c.file("header-canonical-request.txt"));
  const std::string text = string_to_sign(c.date, c.scope, canonical.text);
  CHECK(text == c.file("header-string-to-sign.txt"));
  CHECK(c.is_right(c.file("header-signature.txt"), text));
  const std::string value =
      authorization_value(c.credentials.access_key_id, c.scope, canonical.signed_headers, "");
  CHECK(c.file("header-signed-request.txt").find("Authorization:" + value) != std::string::npos);
}

void check_query_signing(const SuiteCase& c) {
  const RequestHead example = parse_suite_request(c.file("query-signed-request.txt")).head;
  const auto bare = without_query_items(
      example.target, [](const QueryItem& item) { return item.name == "X-Amz-Signature"; });
  REQUIRE(bare.has_value());
  const auto target = canonical_target(*bare, c.style());
  REQUIRE(target.has_value());
  const CanonicalRequest canonical =
      canonical_request(example.method, *target, example.headers, c.body_hash);
  CHECK(canonical.text == c.file("query-canonical-request.txt"));
  const std::string text = string_to_sign(c.date, c.scope, canonical.text);
  CHECK(text == c.file("query-string-to-sign.txt"));
  CHECK(c.is_right(c.file("query-signature.txt"), text));
}

// Through the whole of presign_request, which normalizes and never signs content-length.
bool check_presigning(const SuiteCase& c) {
  if (!c.context["normalize"].get<bool>()) return false;
  if (find_header(c.request.head.headers, "content-length") != nullptr) return false;
  RequestHead head = c.request.head;
  const SigningInput input{c.credentials,
                           {c.region, "service", c.algorithm},
                           {PayloadMode::hex_hash, c.body_hash},
                           "example.amazonaws.com",
                           time_of(c.date)};
  REQUIRE(presign_request(head, input, std::chrono::seconds(3600)).has_value());
  const std::string made = head.target.substr(head.target.rfind('=') + 1);
  CHECK(c.is_right(made, c.file("query-string-to-sign.txt")));
  return true;
}

// The signed request as its server sees it: by secret, by derived or public key, and altered.
void check_verifying(const SuiteCase& c, const char* file) {
  const RequestHead head = parse_suite_request(c.file(file)).head;
  const std::string id = c.credentials.access_key_id;
  const std::string secret(c.credentials.secret_access_key.reveal());
  OneKey by_secret = OneKey::with_secret(id, secret);
  const auto verified = verify_request(head, c.rules(), by_secret);
  REQUIRE_MESSAGE(verified.has_value(), verified.error().message);
  CHECK(verified->payload == SignedPayload::hash);
  CHECK(verified->payload_hash == c.body_hash);
  CHECK(verified->claim.amz_date == c.date);
  CHECK(verified->claim.session_token.equals(c.credentials.session_token.reveal()));

  OneKey indirect(id, [&](const SignatureClaim& claim) -> VerificationKey {
    if (c.algorithm == SigningAlgorithm::ecdsa) return c.pair().public_key();
    return DerivedSigningKey{derive_signing_key(c.credentials.secret_access_key, claim.scope)};
  });
  CHECK(verify_request(head, c.rules(), indirect).has_value());

  OneKey other_secret = OneKey::with_secret(id, secret + "x");
  CHECK(verify_request(head, c.rules(), other_secret).error().code ==
        S3Code::signature_does_not_match);
  RequestHead altered = head;
  altered.method = "PUT";
  CHECK(verify_request(altered, c.rules(), by_secret).error().code ==
        S3Code::signature_does_not_match);
  VerifierRules other_body = c.rules();
  const std::string hash(64, 'a');
  other_body.body_hash = hash;
  if (!c.context.value("sign_body", false) || verified->claim.presigned)
    CHECK_FALSE(verify_request(head, other_body, by_secret).has_value());
}

std::filesystem::path suite_folder(const char* name) {
  const char* folder = std::getenv("KEYWARD_VECTORS");
  return std::filesystem::path(folder == nullptr ? KEYWARD_DEFAULT_VECTORS : folder) /
         "aws-c-auth" / name;
}

void check_suite(const char* name, SigningAlgorithm algorithm) {
  const auto suite = suite_folder(name);
  if (!std::filesystem::is_directory(suite)) {
    MESSAGE("SKIPPED: no vectors in " << suite.string() << "; set KEYWARD_VECTORS");
    return;
  }
  int cases = 0, presigned = 0;
  for (const auto& entry : std::filesystem::directory_iterator(suite)) {
    if (!std::filesystem::exists(entry.path() / "header-signature.txt")) continue;
    CAPTURE(entry.path().filename().string());
    const SuiteCase c = load(entry.path(), algorithm);
    check_header_signing(c);
    check_query_signing(c);
    if (check_presigning(c)) ++presigned;
    check_verifying(c, "header-signed-request.txt");
    check_verifying(c, "query-signed-request.txt");
    if (algorithm == SigningAlgorithm::ecdsa) {
      const auto key = nlohmann::json::parse(c.file("public-key.json"));
      CHECK(hex(as_bytes(c.pair().public_key().x())) == key["X"]);
      CHECK(hex(as_bytes(c.pair().public_key().y())) == key["Y"]);
    }
    ++cases;
  }
  CHECK(cases == 25);
  CHECK(presigned == 19);
}

}  // namespace

TEST_CASE("sigv4: the published suite") { check_suite("v4", SigningAlgorithm::hmac); }
TEST_CASE("sigv4a: the published suite") { check_suite("v4a", SigningAlgorithm::ecdsa); }
