// Input: one byte of switches, then lines: METHOD, target, and `name:value` headers.  Nothing that
// a stranger makes up verifies; what is signed does, and no longer when a byte changes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/bytes.hpp"
#include "netproxy/sigv4/signer.hpp"
#include "netproxy/sigv4/verifier.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

constexpr std::string_view secret = "an unknown secret of the server's";

void require(bool holds) {
  if (!holds) std::abort();
}

class OneSecret final : public VerificationKeys {
  S3Result<VerificationKey> find(const SignatureClaim&) override {
    return SecretAccessKey{Secret(secret)};
  }
};

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

bool is_token(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

RequestHead read_head(std::string_view text) {
  RequestHead head;
  head.method = take_line(text);
  head.target = take_line(text);
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const auto colon = std::min(line.find(':'), line.size());
    const std::string_view value = line.substr(std::min(line.size(), colon + 1));
    if (is_token(line.substr(0, colon)))
      head.headers.push_back({std::string(line.substr(0, colon)), std::string(trim(value))});
  }
  return head;
}

// A repeated one of these is signed and refused all the same.
bool repeats_what_may_not(const Headers& headers) {
  for (const char* name :
       {"content-type", "content-length", "x-amz-decoded-content-length", "x-amz-trailer"})
    if (count_headers(headers, name) > 1) return true;
  return false;
}

Result<> sign(RequestHead& head, const SigningInput& input, bool presigned) {
  if (presigned) return presign_request(head, input, std::chrono::seconds(60));
  const auto done = sign_request(head, input);
  if (!done) return tl::unexpected(done.error());
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool is_s3 = (data[0] & 1) != 0, presigned = (data[0] & 2) != 0;
  RequestHead head = read_head({reinterpret_cast<const char*>(data) + 1, size - 1});
  const TimePoint now = parse_amz_date("20130524T000000Z").value();
  SigningKeys kept;
  const VerifierRules rules{is_s3 ? "s3" : "sqs",
                            "us-east-1",
                            is_s3 ? s3_path_style : general_path_style,
                            now,
                            "",
                            &kept};
  OneSecret keys;
  require(!verify_request(head, rules, keys).has_value());
  (void)client_scope(head);

  const AwsCredentials credentials{"AKID", Secret(secret), Secret()};
  const SigningInput input{credentials,
                           {"us-east-1", std::string(rules.service)},
                           {PayloadMode::unsigned_payload, "UNSIGNED-PAYLOAD"},
                           "example.amazonaws.com",
                           now,
                           &kept};
  if (repeats_what_may_not(head.headers) || !sign(head, input, presigned)) return 0;
  const auto verified = verify_request(head, rules, keys);
  if (is_s3 || !presigned) {
    require(verified.has_value());
    std::string& signature = presigned ? head.target : head.headers.back().value;
    signature.back() = signature.back() == '0' ? '1' : '0';
    require(!verify_request(head, rules, keys).has_value());
  }
  return 0;
}
