#include "netproxy/sigv4/host_region.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace keyward::netproxy {
namespace {

struct Partition {
  std::string_view suffix;
  std::string_view region_prefixes;  // comma-separated; a region is PREFIX-word-digit
  std::string_view default_region;   // of S3 without a region label; empty = none
};

// Longest suffix first.
constexpr Partition partitions[] = {
    {"api.amazonwebservices.com.cn", "cn", ""},
    {"api.amazonwebservices.eu", "eusc", ""},
    {"amazonaws.com.cn", "cn", ""},
    {"csp.hci.ic.gov", "us-isof", ""},
    {"cloud.adc-e.uk", "eu-isoe", ""},
    {"sc2s.sgov.gov", "us-isob", ""},
    {"amazonaws.com", "us-gov,us,eu,ap,sa,ca,me,af,il,mx", "us-east-1"},
    {"c2s.ic.gov", "us-iso", ""},
    {"amazonaws.eu", "eusc", ""},
    {"api.aws", "us-gov,us,eu,ap,sa,ca,me,af,il,mx", ""},
    {"on.aws", "us-gov,us,eu,ap,sa,ca,me,af,il,mx", ""}};

bool is_word(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

// PREFIX-word-digits, so that regions opened later are known on the day they open.
bool is_region(std::string_view label, const Partition& partition) {
  for (std::string_view rest = partition.region_prefixes; !rest.empty();) {
    const auto comma = rest.find(',');
    const std::string prefix = std::string(rest.substr(0, comma)) + "-";
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
    if (!label.starts_with(prefix)) continue;
    const std::string_view tail = label.substr(prefix.size());
    const auto dash = tail.find('-');
    if (dash == std::string_view::npos || !is_word(tail.substr(0, dash))) continue;
    const std::string_view number = tail.substr(dash + 1);
    if (!number.empty() && number.find_first_not_of("0123456789") == std::string_view::npos)
      return true;
  }
  return false;
}

std::vector<std::string_view> labels_before(std::string_view host, std::string_view suffix) {
  std::string_view rest = host.substr(0, host.size() - suffix.size() - 1);
  std::vector<std::string_view> labels;
  for (;;) {
    const auto dot = rest.find('.');
    labels.push_back(rest.substr(0, dot));
    if (dot == std::string_view::npos) return labels;
    rest.remove_prefix(dot + 1);
  }
}

bool is_region_left_of(std::string_view service) {
  return service == "es" || service == "aoss" || service == "queue";
}

}  // namespace

std::optional<std::string> region_of_host(std::string_view host) {
  const auto* partition =
      std::find_if(std::begin(partitions), std::end(partitions), [&](const Partition& p) {
        return host.size() > p.suffix.size() + 1 && host.ends_with(p.suffix) &&
               host[host.size() - p.suffix.size() - 1] == '.';
      });
  if (partition == std::end(partitions)) return std::nullopt;
  std::vector<std::string_view> labels = labels_before(host, partition->suffix);
  if (labels.size() > 1 && labels.back() == "vpce") labels.pop_back();
  const std::string_view last = labels.back();
  if (is_region(last, *partition)) return std::string(last);
  for (const std::string_view dashed : {"s3-"})  // legacy s3-REGION
    if (last.starts_with(dashed) && is_region(last.substr(dashed.size()), *partition))
      return std::string(last.substr(dashed.size()));
  if (labels.size() > 1 && is_region_left_of(last) &&
      is_region(labels[labels.size() - 2], *partition))
    return std::string(labels[labels.size() - 2]);
  if ((last == "s3" || last == "sts" || last == "iam") && !partition->default_region.empty())
    return std::string(partition->default_region);
  return std::nullopt;
}

}  // namespace keyward::netproxy
