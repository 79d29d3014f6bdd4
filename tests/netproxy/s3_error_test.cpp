#include "netproxy/sigv4/s3_error.hpp"

#include <doctest/doctest.h>

using namespace keyward::netproxy;

TEST_CASE("s3 error: code and status as S3 has them") {
  struct Case {
    S3Code code;
    const char* name;
    int status;
  };
  for (const Case& c : {Case{S3Code::signature_does_not_match, "SignatureDoesNotMatch", 403},
                        {S3Code::invalid_access_key_id, "InvalidAccessKeyId", 403},
                        {S3Code::request_time_too_skewed, "RequestTimeTooSkewed", 403},
                        {S3Code::access_denied, "AccessDenied", 403},
                        {S3Code::incomplete_body, "IncompleteBody", 400},
                        {S3Code::malformed_trailer_error, "MalformedTrailerError", 400},
                        {S3Code::bad_digest, "BadDigest", 400},
                        {S3Code::missing_content_length, "MissingContentLength", 411},
                        {S3Code::x_amz_content_sha256_mismatch, "XAmzContentSHA256Mismatch", 400},
                        {S3Code::not_implemented, "NotImplemented", 501}}) {
    CHECK(to_string(c.code) == c.name);
    CHECK(http_status(c.code) == c.status);
    CHECK_FALSE(default_message(c.code).empty());
  }
}

TEST_CASE("s3 error: XML holds foreign text safely") {
  S3Error error{S3Code::invalid_argument, "a<b>&\"c'\x01\xc3\xa9", {}};
  error.details = {{"ArgumentName", "x-amz-content-sha256"}, {"ArgumentValue", "1\n2"}};
  CHECK(render_xml(error, {"/bucket/</Error>", "4442587FB7D0A2F9"}) ==
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<Error><Code>InvalidArgument</Code><Message>a&lt;b&gt;&amp;&quot;c&apos;?"
        "?"
        "?</Message>"
        "<ArgumentName>x-amz-content-sha256</ArgumentName><ArgumentValue>1\n2</ArgumentValue>"
        "<Resource>/bucket/&lt;/Error&gt;</Resource><RequestId>4442587FB7D0A2F9</RequestId>"
        "</Error>");
}

TEST_CASE("s3 error: which answers refuse the session of the keys") {
  const auto error = [](const std::string& code) {
    return "<?xml version=\"1.0\"?>\n<Error><Code>" + code + "</Code><Message>m</Message></Error>";
  };
  for (const char* code : {"ExpiredToken", "InvalidToken", "TokenRefreshRequired"})
    for (const int status : {400, 403}) CHECK(refuses_session(status, error(code)));
  for (const char* code : {"AccessDenied", "ExpiredTokens", "", "InvalidAccessKeyId"})
    CHECK_FALSE(refuses_session(403, error(code)));
  CHECK_FALSE(refuses_session(200, error("ExpiredToken")));
  CHECK_FALSE(refuses_session(403, "ExpiredToken"));
  CHECK_FALSE(refuses_session(403, ""));
}
