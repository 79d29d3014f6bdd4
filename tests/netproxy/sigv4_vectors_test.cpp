// The published signing suite (AWS SigV4 test suite, Apache-2.0), read from the folder that
// KEYWARD_VECTORS names.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "netproxy/sigv4/canonical.hpp"
#include "netproxy/sigv4/signature.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

struct SuiteRequest {
  std::string method, target, body;
  Headers headers;
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
  request.method = first.substr(0, first.find(' '));
  request.target =
      first.substr(request.method.size() + 1, first.rfind(" HTTP/1.1") - request.method.size() - 1);
  while (end != std::string::npos) {
    const auto start = end + 1;
    end = text.find('\n', start);
    const std::string line = text.substr(start, end == std::string::npos ? end : end - start);
    if (line.empty()) continue;
    if (line[0] == ' ')
      request.headers.back().value += line;
    else
      request.headers.push_back({line.substr(0, line.find(':')), line.substr(line.find(':') + 1)});
  }
  return request;
}

std::string vectors_folder() {
  const char* folder = std::getenv("KEYWARD_VECTORS");
  return std::string(folder == nullptr ? KEYWARD_DEFAULT_VECTORS : folder) + "/aws-c-auth/v4";
}

std::string compact_date(std::string iso) {
  std::erase_if(iso, [](char c) { return c == '-' || c == ':'; });
  return iso;
}

void check_case(const std::filesystem::path& folder) {
  const auto file = [&](const char* name) { return read_file((folder / name).string()).value(); };
  const auto context = nlohmann::json::parse(file("context.json"));
  SuiteRequest request = parse_suite_request(file("request.txt"));
  const std::string date = compact_date(context["timestamp"]);
  const auto& keys = context["credentials"];
  request.headers.push_back({"X-Amz-Date", date});
  if (keys.contains("token") && !context.value("omit_session_token", false))
    request.headers.push_back({"X-Amz-Security-Token", keys["token"]});
  const std::string hash = hex(sha256(request.body));
  if (context.value("sign_body", false)) request.headers.push_back({"x-amz-content-sha256", hash});

  const auto target = canonical_target(request.target, {context["normalize"].get<bool>(), true});
  REQUIRE(target.has_value());
  const CanonicalRequest canonical =
      canonical_request(request.method, *target, request.headers, hash);
  CHECK(canonical.text == file("header-canonical-request.txt"));
  const SigningScope scope{date.substr(0, 8), context["region"], context["service"]};
  const std::string text = string_to_sign(date, scope, canonical.text);
  CHECK(text == file("header-string-to-sign.txt"));
  const Secret key =
      derive_signing_key(Secret(keys["secret_access_key"].get<std::string>()), scope);
  CHECK(signature(key, text) == file("header-signature.txt"));
  const std::string value = authorization_value(keys["access_key_id"].get<std::string>(), scope,
                                                canonical.signed_headers, signature(key, text));
  CHECK(file("header-signed-request.txt").find("Authorization:" + value) != std::string::npos);
}

}  // namespace

TEST_CASE("sigv4: the published suite") {
  if (!std::filesystem::is_directory(vectors_folder())) {
    MESSAGE("SKIPPED: no vectors in " << vectors_folder() << "; set KEYWARD_VECTORS");
    return;
  }
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(vectors_folder())) {
    if (!std::filesystem::exists(entry.path() / "header-signature.txt")) continue;
    CAPTURE(entry.path().filename().string());
    check_case(entry.path());
    ++cases;
  }
  CHECK(cases == 25);
}
