// The host table of AWS endpoints: what botocore's endpoint rules say of each shape.

#include "netproxy/sigv4/host_target.hpp"

#include <doctest/doctest.h>

#include "netproxy/sigv4/signer.hpp"

using namespace keyward;
using namespace keyward::netproxy;

namespace {

struct Case {
  const char* host;
  const char* service;
  const char* region;
};

// clang-format off
const std::vector<Case> known_hosts = {
    // S3, every shape.
    {"s3.us-east-1.amazonaws.com", "s3", "us-east-1"},
    {"s3.amazonaws.com", "s3", "us-east-1"},
    {"s3-us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"s3-fips-us-gov-west-1.amazonaws.com", "s3", "us-gov-west-1"},
    {"s3-us-gov-west-1.amazonaws.com", "s3", "us-gov-west-1"},
    {"s3.us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"bucket.s3.us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"my.dotted.bucket.s3.us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"bucket.s3-us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"bucket.s3.amazonaws.com", "s3", "us-east-1"},
    {"us-west-1.s3.eu-west-1.amazonaws.com", "s3", "eu-west-1"},
    {"us-west-1.s3.amazonaws.com", "s3", "us-east-1"},
    {"a.us-west-1.s3.amazonaws.com", "s3", "us-east-1"},
    {"dualstack.s3.amazonaws.com", "s3", "us-east-1"},
    {"vpce.s3.eu-west-1.amazonaws.com", "s3", "eu-west-1"},
    {"sts.s3.us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"s3.dualstack.us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"bucket.s3.dualstack.us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"s3-fips.us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"s3-fips.dualstack.us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"bucket.s3-fips.dualstack.us-gov-east-1.amazonaws.com", "s3", "us-gov-east-1"},
    {"s3.us-gov-west-1.amazonaws.com", "s3", "us-gov-west-1"},
    {"s3.cn-north-1.amazonaws.com.cn", "s3", "cn-north-1"},
    {"bucket.s3.cn-north-1.amazonaws.com.cn", "s3", "cn-north-1"},
    {"s3.dualstack.cn-north-1.amazonaws.com.cn", "s3", "cn-north-1"},
    {"bucket.s3-accelerate.amazonaws.com", "s3", ""},
    {"bucket.s3-accelerate.dualstack.amazonaws.com", "s3", ""},
    {"myap-123456789012.s3-accesspoint.us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"myap-123456789012.s3-accesspoint.dualstack.us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"myap-123456789012.s3-accesspoint-fips.us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"myap-123456789012.s3-accesspoint-fips.dualstack.us-gov-west-1.amazonaws.com", "s3", "us-gov-west-1"},
    {"mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com", "s3", "*"},
    {"myolap-123456789012.s3-object-lambda.us-west-2.amazonaws.com", "s3-object-lambda", "us-west-2"},
    {"123456789012.s3-control.us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"123456789012.s3-control-fips.us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"123456789012.s3-control.dualstack.us-west-2.amazonaws.com", "s3", "us-west-2"},
    {"ap-123456789012.op-01234567890123456.s3-outposts.us-west-2.amazonaws.com", "s3-outposts", "us-west-2"},
    {"bucket--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com", "s3express", "us-west-2"},
    {"s3express-control.us-west-2.amazonaws.com", "s3express", "us-west-2"},
    {"bucket.bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com", "s3", "us-east-1"},
    {"bucket.vpce-1a2b3c4d-5e6f-us-east-1a.s3.us-east-1.vpce.amazonaws.com", "s3", "us-east-1"},
    {"accesspoint.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com", "s3", "us-east-1"},
    {"control.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com", "s3", "us-east-1"},
    {"s3.us-iso-east-1.c2s.ic.gov", "s3", "us-iso-east-1"},
    {"s3.us-isob-east-1.sc2s.sgov.gov", "s3", "us-isob-east-1"},
    {"s3.eu-isoe-west-1.cloud.adc-e.uk", "s3", "eu-isoe-west-1"},
    {"bucket.s3.us-isof-south-1.csp.hci.ic.gov", "s3", "us-isof-south-1"},
    {"s3.eusc-de-east-1.amazonaws.eu", "s3", "eusc-de-east-1"},
    // Other services.
    {"vpce-0123456789abcdef0-abcdefgh.sts.us-east-1.vpce.amazonaws.com", "sts", "us-east-1"},
    {"vpce-0123456789abcdef0-abcdefgh-us-east-1b.execute-api.us-east-1.vpce.amazonaws.com", "execute-api", "us-east-1"},
    {"bedrock-runtime.us-east-1.amazonaws.com", "bedrock", "us-east-1"},
    {"bedrock-runtime-fips.us-east-1.amazonaws.com", "bedrock", "us-east-1"},
    {"bedrock-runtime.us-east-1.api.aws", "bedrock", "us-east-1"},
    {"bedrock.us-west-2.amazonaws.com", "bedrock", "us-west-2"},
    {"sts.amazonaws.com", "sts", "us-east-1"},
    {"sts.eu-west-1.amazonaws.com", "sts", "eu-west-1"},
    {"sts-fips.us-west-2.amazonaws.com", "sts", "us-west-2"},
    {"iam.amazonaws.com", "iam", "us-east-1"},
    {"iam.us-gov.amazonaws.com", "iam", "us-gov-west-1"},
    {"route53.us-gov.amazonaws.com", "route53", "us-gov-west-1"},
    {"iam.cn-north-1.amazonaws.com.cn", "iam", "cn-north-1"},
    {"iam.global.api.aws", "iam", "us-east-1"},
    {"cloudfront.amazonaws.com", "cloudfront", "us-east-1"},
    {"route53.amazonaws.com", "route53", "us-east-1"},
    {"route53.amazonaws.com.cn", "route53", "cn-northwest-1"},
    {"organizations.us-east-1.amazonaws.com", "organizations", "us-east-1"},
    {"globalaccelerator.us-west-2.amazonaws.com", "globalaccelerator", "us-west-2"},
    {"globalaccelerator.amazonaws.com", "globalaccelerator", "us-west-2"},
    {"shield.us-east-1.amazonaws.com", "shield", "us-east-1"},
    {"budgets.amazonaws.com", "budgets", "us-east-1"},
    {"ce.us-east-1.amazonaws.com", "ce", "us-east-1"},
    {"dynamodb.us-east-1.amazonaws.com", "dynamodb", "us-east-1"},
    {"123456789012.ddb.us-east-1.amazonaws.com", "dynamodb", "us-east-1"},
    {"123456789012.data-kinesis.us-east-1.amazonaws.com", "kinesis", "us-east-1"},
    {"streams.dynamodb.us-east-1.amazonaws.com", "dynamodb", "us-east-1"},
    {"dynamodb.us-east-1.api.aws", "dynamodb", "us-east-1"},
    {"sqs.us-east-1.amazonaws.com", "sqs", "us-east-1"},
    {"us-east-1.queue.amazonaws.com", "sqs", "us-east-1"},
    {"queue.amazonaws.com", "sqs", "us-east-1"},
    {"ec2.us-east-1.amazonaws.com", "ec2", "us-east-1"},
    {"ec2.amazonaws.com", "ec2", "us-east-1"},
    {"ec2.us-east-1.api.aws", "ec2", "us-east-1"},
    {"lambda.us-east-1.api.aws", "lambda", "us-east-1"},
    {"abcdefghijkl.lambda-url.us-east-1.on.aws", "lambda", "us-east-1"},
    {"mydomain.aos.us-east-1.on.aws", "es", "us-east-1"},
    {"a1b2c3d4e5.execute-api.us-east-1.amazonaws.com", "execute-api", "us-east-1"},
    {"search-mydomain-abc123.us-east-1.es.amazonaws.com", "es", "us-east-1"},
    {"vpc-mydomain-abc123.eu-west-1.es.amazonaws.com", "es", "eu-west-1"},
    {"es.eu-west-1.amazonaws.com", "es", "eu-west-1"},
    {"abc123.us-east-1.aoss.amazonaws.com", "aoss", "us-east-1"},
    {"abc123.appsync-api.us-east-1.amazonaws.com", "appsync", "us-east-1"},
    {"abc123.appsync-realtime-api.us-east-1.amazonaws.com", "appsync", "us-east-1"},
    {"abc123-ats.iot.us-east-1.amazonaws.com", "iotdata", "us-east-1"},
    {"iot.us-east-1.amazonaws.com", "iot", "us-east-1"},
    {"data.jobs.iot.us-east-1.amazonaws.com", "iot-jobs-data", "us-east-1"},
    {"api.ecr.us-east-1.amazonaws.com", "ecr", "us-east-1"},
    {"ecr.us-east-1.api.aws", "ecr", "us-east-1"},
    {"ecr-fips.us-east-1.amazonaws.com", "ecr", "us-east-1"},
    {"api.sagemaker.us-east-1.amazonaws.com", "sagemaker", "us-east-1"},
    {"runtime.sagemaker.us-east-1.amazonaws.com", "sagemaker", "us-east-1"},
    {"runtime-fips.sagemaker.us-east-1.amazonaws.com", "sagemaker", "us-east-1"},
    {"monitoring.us-east-1.amazonaws.com", "monitoring", "us-east-1"},
    {"logs.us-east-1.amazonaws.com", "logs", "us-east-1"},
    {"events.us-east-1.amazonaws.com", "events", "us-east-1"},
    {"email.us-east-1.amazonaws.com", "ses", "us-east-1"},
    {"rds.us-east-1.amazonaws.com", "rds", "us-east-1"},
    {"aps-workspaces.us-east-1.amazonaws.com", "aps", "us-east-1"},
    {"transcribestreaming.us-east-1.amazonaws.com", "transcribe", "us-east-1"},
    {"api.pricing.us-east-1.amazonaws.com", "pricing", "us-east-1"},
    {"models.lex.us-east-1.amazonaws.com", "lex", "us-east-1"},
    {"runtime-v2-lex.us-east-1.amazonaws.com", "lex", "us-east-1"},
    {"session.qldb.us-east-1.amazonaws.com", "qldb", "us-east-1"},
    {"cognito-idp.us-east-1.amazonaws.com", "cognito-idp", "us-east-1"},
    {"secretsmanager.us-east-1.amazonaws.com", "secretsmanager", "us-east-1"},
    {"kms-fips.us-east-1.amazonaws.com", "kms", "us-east-1"},
    {"ssm.mx-central-1.amazonaws.com", "ssm", "mx-central-1"},
    {"ssm.ap-southeast-17.amazonaws.com", "ssm", "ap-southeast-17"},
    {"eks-auth.us-east-1.api.aws", "eks-auth", "us-east-1"},
    {"sts.eusc-de-east-1.api.amazonwebservices.eu", "sts", "eusc-de-east-1"},
    {"sts.us-isob-east-1.api.aws.scloud", "sts", "us-isob-east-1"},
    // Spellings.
    {"s3.us-east-1.amazonaws.com.", "s3", "us-east-1"},
    {"S3.US-EAST-1.AMAZONAWS.COM", "s3", "us-east-1"},
    {"s3.us-east-1.amazonaws.com:443", "s3", "us-east-1"},
    {"s3.us-east-1.amazonaws.com.:443", "s3", "us-east-1"}};
// clang-format on

ClientScope scope_of(const char* region, const char* service) {
  return {"AKIA", "20130524", region, service};
}

}  // namespace

TEST_CASE("host: service and region of every shape") {
  for (const Case& c : known_hosts) {
    CAPTURE(c.host);
    const auto target = host_target(c.host);
    REQUIRE(target.has_value());
    CHECK(target->service == c.service);
    CHECK(target->region == c.region);
    CHECK_FALSE(target->service_guessed);
    CHECK((target->algorithm == SigningAlgorithm::ecdsa) == (target->region == "*"));
  }
  CHECK(host_target("bucket.s3.amazonaws.com")->region_assumed);
  CHECK_FALSE(host_target("s3.us-east-1.amazonaws.com")->region_assumed);
}

TEST_CASE("host: a label that no table knows is a guess and said to be one") {
  for (const char* host : {"bedrock-mantle.us-east-1.api.aws", "future.eu-west-1.amazonaws.com",
                           "abc.us-east-1.rds.amazonaws.com"}) {
    CAPTURE(host);
    const auto target = host_target(host);
    REQUIRE(target.has_value());
    CHECK((target->service_guessed || target->region.empty()));
  }
}

TEST_CASE("host: no AWS endpoint") {
  for (const char* host : {"s3.us-east-1.amazonaws.com.evil.example",
                           "evilamazonaws.com",
                           "amazonaws.com",
                           "localhost",
                           "us-east-1.example.com",
                           "",
                           ".",
                           "127.0.0.1",
                           "169.254.169.254",
                           "[::1]",
                           "[::1]:443",
                           "s3..amazonaws.com",
                           ".s3.amazonaws.com",
                           "s3.us-east-1.amazonaws.com..",
                           "s3.us-east-1.amazonaws.com.cn.example",
                           "x.vpce.amazonaws.com",
                           "s3.us-east-1.vpce.amazonaws.com",
                           "us-east-1.amazonaws.com",
                           "api.aws",
                           "x.on.aws",
                           "x.other.us-east-1.on.aws",
                           "sts.dualstack.us-east-1.amazonaws.com",
                           "s3-foo.us-east-1.amazonaws.com",
                           "s3-us-east-1a.amazonaws.com",
                           "s3.us-east-1.amazonaws.com@evil.example"}) {
    CAPTURE(host);
    const auto target = host_target(host);
    REQUIRE_FALSE(target.has_value());
    CHECK(target.error().code == Code::not_found);
  }
}

TEST_CASE("host: endpoints that take no signature") {
  for (const char* host :
       {"bucket.s3-website-us-east-1.amazonaws.com", "bucket.s3-website.eu-central-1.amazonaws.com",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com", "123456789012.dkr-ecr.us-east-1.on.aws",
        "abc.credentials.iot.us-east-1.amazonaws.com", "email-smtp.us-east-1.amazonaws.com"}) {
    CAPTURE(host);
    const auto target = host_target(host);
    REQUIRE_FALSE(target.has_value());
    CHECK(target.error().code == Code::denied);
    CHECK_FALSE(choose_target("", "", scope_of("us-east-1", "s3"), host).has_value());
  }
}

TEST_CASE("target: policy, client and host agree or the request is refused") {
  const auto s3_paris = scope_of("eu-west-3", "s3");
  struct Choice {
    const char* region;
    const char* service;
    std::optional<ClientScope> client;
    const char* host;
    const char* expected;  // SERVICE/REGION; null: refused
  };
  for (const Choice& c : std::vector<Choice>{
           {"eu-west-1", "s3", s3_paris, "s3.test", "s3/eu-west-1"},
           {"", "s3", s3_paris, "s3.test", "s3/eu-west-3"},
           {"", "", s3_paris, "s3.test", "s3/eu-west-3"},
           {"", "", s3_paris, "s3.eu-west-3.amazonaws.com", "s3/eu-west-3"},
           {"", "", s3_paris, "bucket.s3.amazonaws.com", "s3/eu-west-3"},
           {"", "", s3_paris, "bucket.s3-accelerate.amazonaws.com", "s3/eu-west-3"},
           {"", "", std::nullopt, "bucket.s3.us-west-2.amazonaws.com", "s3/us-west-2"},
           {"", "", std::nullopt, "bedrock-runtime.us-west-2.api.aws", "bedrock/us-west-2"},
           {"", "", scope_of("us-east-1", "bedrock-mantle"), "bedrock-mantle.us-east-1.api.aws",
            "bedrock-mantle/us-east-1"},
           {"us-east-1", "custom", std::nullopt, "bucket.s3-website-us-east-1.amazonaws.com",
            "custom/us-east-1"},
           {"", "", s3_paris, "s3.us-west-2.amazonaws.com", nullptr},
           {"", "", scope_of("us-east-1", "sts"), "s3.us-east-1.amazonaws.com", nullptr},
           {"", "sts", s3_paris, "s3.test", nullptr},
           {"", "s3", std::nullopt, "s3.test", nullptr},
           {"", "", std::nullopt, "s3.test", nullptr},
           {"", "", std::nullopt, "bedrock-mantle.us-east-1.api.aws", nullptr},
           {"", "", std::nullopt, "bucket.s3-accelerate.amazonaws.com", nullptr}}) {
    CAPTURE(c.host);
    const auto target = choose_target(c.region, c.service, c.client, c.host);
    REQUIRE(target.has_value() == (c.expected != nullptr));
    if (target) CHECK(target->service + "/" + target->region == c.expected);
  }
}

TEST_CASE("target: SigV4a where the host demands it or the client signs so") {
  constexpr const char* multi_region = "mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com";
  const auto unsigned_client = choose_target("", "", std::nullopt, multi_region);
  REQUIRE(unsigned_client.has_value());
  CHECK(unsigned_client->algorithm == SigningAlgorithm::ecdsa);
  CHECK(unsigned_client->region == "*");
  CHECK_FALSE(choose_target("", "", scope_of("us-east-1", "s3"), multi_region).has_value());
  ClientScope several = scope_of("us-east-1,eu-west-1", "events");
  several.algorithm = SigningAlgorithm::ecdsa;
  CHECK(choose_target("", "", several, "events.us-east-1.amazonaws.com")->region ==
        "us-east-1,eu-west-1");
  CHECK_FALSE(choose_target("", "", several, "events.us-west-2.amazonaws.com").has_value());
}
