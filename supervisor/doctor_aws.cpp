#include "supervisor/doctor_aws.hpp"

namespace keyward::supervisor {
namespace {

std::string described(const identity::AwsKeys& keys) {
  return keys.source + " gives the key " + identity::key_id_end(keys.pair.access_key_id) +
         (keys.expires ? ", until " + iso_time(*keys.expires) : ", without an end");
}

}  // namespace

void look_at_aws_sources(const AwsSourceSettings& settings, const Clock& clock,
                         Findings& findings) {
  for (const NamedAwsSource& source : settings.named) {
    const auto keys = fetch_aws_keys(settings, source, clock, {});
    const std::string who = source.provider + ": ";
    if (keys)
      findings.push_back({"aws", Health::good, who + described(*keys), ""});
    else
      findings.push_back({"aws", Health::fix, who + keys.error().what, ""});
  }
}

}  // namespace keyward::supervisor
