#include "netproxy/sigv4/aws_services.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace keyward::netproxy {
namespace {

// clang-format off
using Alias = std::pair<std::string_view, std::string_view>;  // endpoint prefix, signing name; sorted
constexpr Alias aliases[] = {
    {"a2i-runtime.sagemaker", "sagemaker"},
    {"admin.wickr", "wickr"},
    {"agreement-marketplace", "aws-marketplace"},
    {"aos", "es"},
    {"api.detective", "detective"},
    {"api.ecr", "ecr"},
    {"api.ecr-public", "ecr-public"},
    {"api.iotdeviceadvisor", "iotdeviceadvisor"},
    {"api.iotmanagedintegrations", "iotmanagedintegrations"},
    {"api.iotwireless", "iotwireless"},
    {"api.mediatailor", "mediatailor"},
    {"api.pricing", "pricing"},
    {"api.sagemaker", "sagemaker"},
    {"api.tunneling.iot", "IoTSecuredTunneling"},
    {"appconfigdata", "appconfig"},
    {"appstream2", "appstream"},
    {"appsync-api", "appsync"},
    {"appsync-realtime-api", "appsync"},
    {"aps-workspaces", "aps"},
    {"bedrock-agent", "bedrock"},
    {"bedrock-agent-runtime", "bedrock"},
    {"bedrock-agentcore-control", "bedrock-agentcore"},
    {"bedrock-data-automation", "bedrock"},
    {"bedrock-data-automation-runtime", "bedrock"},
    {"bedrock-runtime", "bedrock"},
    {"cassandra-streams", "cassandra"},
    {"catalog.marketplace", "aws-marketplace"},
    {"cloudhsmv2", "cloudhsm"},
    {"cloudsearchdomain", "cloudsearch"},
    {"contact-lens", "connect"},
    {"controlplane.payment-cryptography", "payment-cryptography"},
    {"data-ats.iot", "iotdata"},
    {"data-kinesis", "kinesis"},
    {"data-signer", "signer"},
    {"data.iotevents", "ioteventsdata"},
    {"data.jobs.iot", "iot-jobs-data"},
    {"data.mediastore", "mediastore"},
    {"data.qapps", "qapps"},
    {"dataplane.payment-cryptography", "payment-cryptography"},
    {"ddb", "dynamodb"},
    {"deployment-marketplace", "aws-marketplace"},
    {"discovery-marketplace", "aws-marketplace"},
    {"edge.sagemaker", "sagemaker"},
    {"email", "ses"},
    {"entitlement.marketplace", "aws-marketplace"},
    {"featurestore-runtime.sagemaker", "sagemaker"},
    {"forecastquery", "forecast"},
    {"identity-chime", "chime"},
    {"ingest.timestream", "timestream"},
    {"ivsrealtime", "ivs"},
    {"lambda-url", "lambda"},
    {"mail-manager", "ses"},
    {"media-pipelines-chime", "chime"},
    {"meetings-chime", "chime"},
    {"memory-db", "memorydb"},
    {"messaging-chime", "chime"},
    {"metering.marketplace", "aws-marketplace"},
    {"metrics.sagemaker", "sagemaker"},
    {"migrationhub-config", "mgh"},
    {"models-v2-lex", "lex"},
    {"models.lex", "lex"},
    {"oidc", "sso-oauth"},
    {"participant.connect", "execute-api"},
    {"personalize-events", "personalize"},
    {"personalize-runtime", "personalize"},
    {"pinpoint", "mobiletargeting"},
    {"portal.sso", "awsssoportal"},
    {"query.timestream", "timestream"},
    {"queue", "sqs"},
    {"reporting-marketplace", "aws-marketplace"},
    {"runtime-v2-lex", "lex"},
    {"runtime.lex", "lex"},
    {"runtime.sagemaker", "sagemaker"},
    {"servicecatalog-appregistry", "servicecatalog"},
    {"session.qldb", "qldb"},
    {"sms-voice.pinpoint", "sms-voice"},
    {"streams.dynamodb", "dynamodb"},
    {"transcribestreaming", "transcribe"},
    {"voice-chime", "chime"},
};

// Prefixes that are the signing name themselves; sorted.
constexpr std::string_view same[] = {
    "access-analyzer", "account", "acm", "acm-pca", "airflow", "amplify", "aoss", "apigateway", "appconfig",
    "application-autoscaling", "appmesh", "appstream", "appsync", "aps", "athena", "autoscaling", "backup",
    "batch", "bcm-data-exports", "bedrock", "bedrock-agentcore", "budgets", "cassandra", "ce", "chime",
    "cloudcontrolapi", "cloudformation", "cloudfront", "cloudfront-keyvaluestore", "cloudhsm", "cloudsearch",
    "cloudtrail", "codeartifact", "codebuild", "codecommit", "codedeploy", "codepipeline", "cognito-identity",
    "cognito-idp", "cognito-sync", "comprehend", "config", "connect", "cur", "databrew", "datasync", "dax",
    "detective", "directconnect", "dlm", "dms", "ds", "dynamodb", "ebs", "ec2", "ec2messages", "ecr",
    "ecr-public", "ecs", "eks", "eks-auth", "elasticache", "elasticbeanstalk", "elasticfilesystem",
    "elasticloadbalancing", "elasticmapreduce", "emr-containers", "emr-serverless", "es", "events",
    "execute-api", "firehose", "fis", "forecast", "fsx", "geo", "glacier", "globalaccelerator", "glue",
    "grafana", "greengrass", "guardduty", "health", "iam", "imagebuilder", "inspector2", "iot", "iotwireless",
    "ivs", "kafka", "kafka-cluster", "kendra", "kinesis", "kinesisanalytics", "kinesisvideo", "kms",
    "lakeformation", "lambda", "lex", "license-manager", "logs", "macie2", "mediaconvert", "mediastore",
    "memorydb", "mgh", "mobiletargeting", "monitoring", "mq", "network-firewall", "networkmanager",
    "omics", "organizations", "osis", "outposts", "personalize", "pipes", "polly", "pricing", "qbusiness",
    "qldb", "quicksight", "ram", "rds", "rds-data", "redshift", "redshift-data", "redshift-serverless",
    "rekognition", "resource-groups", "route53", "route53domains", "route53resolver", "s3tables",
    "s3vectors", "sagemaker", "savingsplans", "scheduler", "schemas", "sdb", "secretsmanager", "securityhub",
    "securitylake", "servicecatalog", "servicediscovery", "servicequotas", "ses", "shield", "signer", "sms-voice",
    "snowball", "sns", "sqs", "ssm", "ssmmessages", "sso", "states", "storagegateway", "sts", "support",
    "swf", "synthetics", "tagging", "textract", "timestream", "transcribe", "transfer", "translate",
    "verifiedpermissions", "vpc-lattice-svcs", "waf", "waf-regional", "wafv2", "wellarchitected", "wickr",
    "workdocs", "workmail", "workspaces", "xray",
};

// Services with one endpoint for the whole partition; sorted.
constexpr Alias global[] = {
    {"account", "us-east-1"}, {"bcm-data-exports", "us-east-1"}, {"budgets", "us-east-1"}, {"ce", "us-east-1"},
    {"chime", "us-east-1"}, {"cloudfront", "us-east-1"}, {"ec2", "us-east-1"}, {"globalaccelerator", "us-west-2"},
    {"iam", "us-east-1"}, {"networkmanager", "us-west-2"}, {"organizations", "us-east-1"},
    {"route53", "us-east-1"}, {"savingsplans", "us-east-1"}, {"shield", "us-east-1"}, {"sqs", "us-east-1"},
    {"sts", "us-east-1"}, {"support", "us-east-1"}, {"waf", "us-east-1"},
};
// clang-format on

constexpr std::array<std::string_view, 4> never_signed = {"credentials.iot", "dkr-ecr", "dkr.ecr",
                                                          "email-smtp"};

template <std::size_t size>
constexpr bool is_sorted(const Alias (&table)[size]) {
  return std::is_sorted(std::begin(table), std::end(table));
}
static_assert(is_sorted(aliases) && is_sorted(global));
static_assert(std::is_sorted(std::begin(same), std::end(same)));

template <std::size_t size>
std::optional<std::string_view> find(const Alias (&table)[size], std::string_view name) {
  const auto* found = std::lower_bound(
      std::begin(table), std::end(table), name,
      [](const Alias& alias, std::string_view wanted) { return alias.first < wanted; });
  if (found == std::end(table) || found->first != name) return std::nullopt;
  return found->second;
}

}  // namespace

std::optional<std::string_view> signing_name(std::string_view prefix) {
  if (const auto alias = find(aliases, prefix)) return alias;
  const auto* found = std::lower_bound(std::begin(same), std::end(same), prefix);
  if (found == std::end(same) || *found != prefix) return std::nullopt;
  return *found;
}

bool is_never_signed(std::string_view prefix) {
  return std::find(never_signed.begin(), never_signed.end(), prefix) != never_signed.end();
}

std::optional<std::string_view> global_region(std::string_view service) {
  return find(global, service);
}

}  // namespace keyward::netproxy
