#include "identity/aws/fetcher.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "identity/aws/answers.hpp"
#include "identity/aws/sts.hpp"
#include "netproxy/policy/percent.hpp"

namespace keyward::identity {
namespace {

constexpr const char* instance_path = "/latest/meta-data/iam/security-credentials/";
constexpr std::size_t longest_role_name = 128;
// It is on the same machine; where there is none, nothing answers.
constexpr std::chrono::milliseconds instance_deadline{2'000};

// One line without its end, of what may be in a header.
Result<Secret> read_token(const std::string& path) {
  TRY_ASSIGN(std::string text, read_file(path, 65'536));
  Secret content = Secret::take(text);
  const std::string_view word = trim(content.reveal());
  const bool usable = !word.empty() && std::all_of(word.begin(), word.end(),
                                                   [](char c) { return c >= ' ' && c < 0x7f; });
  if (!usable) return fail(Code::invalid, path + ": holds no usable token");
  return Secret(word);
}

HttpSettings near(HttpSettings settings) {
  settings.deadline = std::min(settings.deadline, instance_deadline);
  return settings;
}

}  // namespace

Result<AwsKeys> KeyFetcher::fetch(const AwsSource& source) const {
  Result<AwsKeys> keys = std::visit([this](const auto& how) { return get(how); }, source.how);
  if (!keys) return fail_at(source.name, std::move(keys).error());
  const std::optional<TimePoint> end = keys->expires;
  if (end && *end <= clock_.now())
    return fail(Code::unavailable, source.name + ": gives keys that ended at " + iso_time(*end));
  keys->source = source.name;
  return keys;
}

Result<AwsKeys> KeyFetcher::get(const StaticKeys& keys) const {
  return AwsKeys{
      {keys.access_key_id, keys.secret_access_key.clone(), keys.session_token.clone()}, {}, {}};
}

Result<AwsKeys> KeyFetcher::get(const KeyProcess& process) const {
  if (!run_process_) return fail(Code::unsupported, "this program starts no credential process");
  TRY_ASSIGN(const Secret output, run_process_(process.words));
  return parse_process_answer(output.reveal());
}

Result<AwsKeys> KeyFetcher::get(const ContainerService& service) const {
  HttpRequest request;
  request.url = service.url;
  Secret token = service.token.clone();
  if (!service.token_file.empty()) {
    TRY_ASSIGN(token, read_token(service.token_file));
  }
  if (!token.empty()) request.headers.push_back({"Authorization", std::move(token)});
  TRY_ASSIGN(HttpResponse answer, send_http(settings_.http, request));
  const Secret body = Secret::take(answer.body);
  if (answer.status != 200)
    return fail(Code::unavailable, "answered " + std::to_string(answer.status));
  return parse_metadata_answer(body.reveal());
}

Result<std::string> KeyFetcher::ask_instance(const InstanceService& service, const Secret& token,
                                             const std::string& path) const {
  HttpRequest request;
  request.url = service.base;
  request.url.target = path;
  request.headers.push_back({"X-aws-ec2-metadata-token", token.clone()});
  TRY_ASSIGN(HttpResponse answer, send_http(near(settings_.http), request));
  if (answer.status != 200)
    return fail(Code::unavailable,
                "answered " + std::to_string(answer.status) + " to " + std::string(instance_path));
  return std::move(answer.body);
}

// IMDSv2 only: version 1 answers whoever can make the instance send a GET.
Result<AwsKeys> KeyFetcher::get(const InstanceService& service) const {
  HttpRequest request;
  request.url = service.base;
  request.url.target = "/latest/api/token";
  request.method = "PUT";
  request.headers.push_back({"X-aws-ec2-metadata-token-ttl-seconds", Secret("300")});
  TRY_ASSIGN(HttpResponse answer, send_http(near(settings_.http), request));
  const Secret token = Secret::take(answer.body);
  if (answer.status != 200 || token.empty() || token.size() > 4096)
    return fail(Code::unavailable, "gives no session: " + std::to_string(answer.status));
  TRY_ASSIGN(const std::string roles, ask_instance(service, token, instance_path));
  const std::string role(trim(std::string_view(roles).substr(0, roles.find('\n'))));
  const bool usable =
      !role.empty() && role.size() <= longest_role_name &&
      std::all_of(role.begin(), role.end(), [](char c) {
        return netproxy::is_unreserved(c) || c == '+' || c == '=' || c == ',' || c == '@';
      });
  if (!usable) return fail(Code::unavailable, "names no role");
  TRY_ASSIGN(std::string keys, ask_instance(service, token, instance_path + role));
  const Secret body = Secret::take(keys);
  return parse_metadata_answer(body.reveal());
}

Result<Url> KeyFetcher::sts() const {
  Result<Url> url = parse_url(settings_.sts_endpoint.empty() ? regional_sts(settings_.region)
                                                             : settings_.sts_endpoint);
  if (!url) return fail_at("the endpoint of STS", std::move(url).error());
  if (!url->tls && !is_loopback(*url))
    return fail(Code::denied, "STS is asked over https only, beyond loopback");
  return url;
}

Result<AwsKeys> KeyFetcher::ask_sts(const HttpRequest& request) const {
  TRY_ASSIGN(HttpResponse answer, send_http(settings_.http, request));
  const Secret body = Secret::take(answer.body);
  if (answer.status == 200) return parse_sts_answer(body.reveal());
  return fail(Code::unavailable, "STS answered " + std::to_string(answer.status) + ": " +
                                     sts_problem(body.reveal()).text);
}

Result<AwsKeys> KeyFetcher::get(const WebIdentityRole& role) const {
  TRY_ASSIGN(const Secret token, read_token(role.token_file));
  TRY_ASSIGN(const Url url, sts());
  return ask_sts(web_identity_request(url, {role.role_arn, role.session_name, "", {}}, token));
}

Result<AwsKeys> KeyFetcher::get(const AssumedRole& role) const {
  TRY_ASSIGN(const AwsKeys caller, fetch(*role.base));
  TRY_ASSIGN(const Url url, sts());
  const AwsRole assumed{role.role_arn, role.session_name, role.external_id,
                        std::chrono::seconds(role.duration_seconds)};
  TRY_ASSIGN(const HttpRequest request,
             assume_role_request(url, assumed, {caller.pair, settings_.region, clock_.now()}));
  return ask_sts(request);
}

}  // namespace keyward::identity
