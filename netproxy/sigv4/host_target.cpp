#include "netproxy/sigv4/host_target.hpp"

#include <algorithm>
#include <vector>

#include "base/bytes.hpp"
#include "netproxy/sigv4/aws_services.hpp"

namespace keyward::netproxy {
namespace {

enum class Kind { standard, dual_stack, on_aws };

struct Partition {
  std::string_view suffix;
  Kind kind;
  std::string_view region_prefixes;  // comma-separated; a region is PREFIX-word-digits
  std::string_view global_region;    // of services with one endpoint; empty: as the service says
};
constexpr std::string_view commercial = "us-gov,us,eu,ap,sa,ca,me,af,il,mx";

// A suffix that ends in another stands before it.
constexpr Partition partitions[] = {
    {"amazonaws.com", Kind::standard, commercial, ""},
    {"amazonaws.com.cn", Kind::standard, "cn", "cn-northwest-1"},
    {"amazonaws.eu", Kind::standard, "eusc-de", "eusc-de-east-1"},
    {"api.amazonwebservices.com.cn", Kind::dual_stack, "cn", "cn-northwest-1"},
    {"api.amazonwebservices.eu", Kind::dual_stack, "eusc-de", "eusc-de-east-1"},
    {"api.aws", Kind::dual_stack, commercial, ""},
    {"api.aws.hci.ic.gov", Kind::dual_stack, "us-isof", "us-isof-south-1"},
    {"api.aws.ic.gov", Kind::dual_stack, "us-iso", "us-iso-east-1"},
    {"api.aws.scloud", Kind::dual_stack, "us-isob", "us-isob-east-1"},
    {"api.cloud-aws.adc-e.uk", Kind::dual_stack, "eu-isoe", "eu-isoe-west-1"},
    {"c2s.ic.gov", Kind::standard, "us-iso", "us-iso-east-1"},
    {"cloud.adc-e.uk", Kind::standard, "eu-isoe", "eu-isoe-west-1"},
    {"csp.hci.ic.gov", Kind::standard, "us-isof", "us-isof-south-1"},
    {"on.aws", Kind::on_aws, commercial, ""},
    {"sc2s.sgov.gov", Kind::standard, "us-isob", "us-isob-east-1"}};

using Labels = std::vector<std::string_view>;

bool is_word(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}
bool is_label(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}
bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_region(std::string_view label, const Partition& partition) {
  for (std::string_view rest = partition.region_prefixes; !rest.empty();) {
    const std::string_view prefix = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), prefix.size() + 1));
    if (!label.starts_with(prefix)) continue;
    std::string_view tail = label.substr(prefix.size());
    if (!tail.starts_with('-')) continue;
    tail.remove_prefix(1);
    const auto dash = tail.find('-');
    if (dash == std::string_view::npos || !is_word(tail.substr(0, dash))) continue;
    if (is_number(tail.substr(dash + 1))) return true;
  }
  return false;
}

const Partition* partition_of(std::string_view host) {
  const auto* found =
      std::find_if(std::begin(partitions), std::end(partitions), [&](const Partition& p) {
        return host.size() > p.suffix.size() + 1 && host.ends_with(p.suffix) &&
               host[host.size() - p.suffix.size() - 1] == '.';
      });
  return found == std::end(partitions) ? nullptr : found;
}

Labels labels_of(std::string_view name) {
  Labels labels;
  for (;;) {
    const auto dot = name.find('.');
    labels.push_back(name.substr(0, dot));
    if (dot == std::string_view::npos) return labels;
    name.remove_prefix(dot + 1);
  }
}

std::string_view without_fips(std::string_view label) {
  if (label.size() > 5 && label.ends_with("-fips")) label.remove_suffix(5);
  return label;
}

tl::unexpected<Error> unknown_host() {
  return fail(Code::not_found, "the host is no AWS endpoint whose shape is known");
}
tl::unexpected<Error> never_signed() {
  return fail(Code::denied, "the host takes no AWS signature");
}

// Takes names apart from the right; `labels` holds what is not read yet.
class HostReader {
 public:
  HostReader(const Partition& partition, Labels labels)
      : partition_(partition), labels_(std::move(labels)) {}

  Result<HostTarget> read() {
    if (partition_.kind == Kind::on_aws) return read_on_aws();
    if (ends_in({"mrap", "accesspoint", "s3-global"}) && labels_.size() > 3)
      return HostTarget{"s3", "*", SigningAlgorithm::ecdsa, false, false};
    if (last() == "vpce") {
      labels_.pop_back();
      if (labels_.size() < 3 || !is_region(last(), partition_)) return unknown_host();
    }
    take_region();
    if (labels_.empty()) return unknown_host();
    if (last() == "dualstack") {
      labels_.pop_back();
      return !labels_.empty() && is_s3(last()) ? read_s3() : unknown_host();
    }
    return is_s3(last()) ? read_s3() : read_other();
  }

 private:
  std::string_view last() const { return labels_.back(); }
  std::string_view second() const {
    return labels_.size() > 1 ? labels_[labels_.size() - 2] : std::string_view();
  }
  bool ends_in(std::initializer_list<std::string_view> wanted) const {
    return labels_.size() >= wanted.size() &&
           std::equal(wanted.begin(), wanted.end(),
                      labels_.end() - static_cast<std::ptrdiff_t>(wanted.size()));
  }
  // s3, s3-fips, s3-accesspoint, s3express-ZONE, s3-REGION …, not s3tables or s3vectors.
  static bool is_s3(std::string_view label) {
    return label == "s3" || label.starts_with("s3-") || label.starts_with("s3express-");
  }

  void take_region() {
    if (is_region(last(), partition_)) {
      region_ = last();
      labels_.pop_back();
    } else if (partition_.suffix == "amazonaws.com" && last() == "us-gov") {
      region_ = "us-gov-west-1";  // GovCloud's global services
      labels_.pop_back();
    } else if (partition_.kind == Kind::dual_stack && last() == "global") {
      labels_.pop_back();
    }
  }

  HostTarget regional(std::string_view service) const {
    return {std::string(service), std::string(region_), SigningAlgorithm::hmac, false, false};
  }

  Result<HostTarget> read_s3() {
    const std::string_view label = without_fips(last());
    if (label == "s3") return read_plain_s3();
    if (label.starts_with("s3-website")) return never_signed();
    if (label == "s3-accelerate" && region_.empty()) return regional("s3");
    if (region_.empty())
      return read_dashed_s3(label.substr(std::min<std::size_t>(label.size(), 3)));
    if (label == "s3-accesspoint" || label == "s3-control") return regional("s3");
    if (label == "s3-object-lambda" || label == "s3-outposts") return regional(label);
    if (label.starts_with("s3express-")) return regional("s3express");
    return unknown_host();
  }

  Result<HostTarget> read_plain_s3() const {
    HostTarget target = regional("s3");
    if (region_.empty() && partition_.suffix == "amazonaws.com") {
      target.region = "us-east-1";
      target.region_assumed = true;
    }
    return target;
  }

  // s3-REGION and s3-fips-REGION, the forms of before the dot.
  Result<HostTarget> read_dashed_s3(std::string_view region) {
    if (region.starts_with("fips-")) region.remove_prefix(5);
    if (!is_region(region, partition_)) return unknown_host();
    region_ = region;
    return regional("s3");
  }

  // DOMAIN.REGION.es, ID.REGION.aoss, REGION.queue: the region left of the service.
  bool take_region_left_of_service() {
    const bool domain = (last() == "es" || last() == "aoss") && labels_.size() > 2;
    if (!region_.empty() || !(domain || last() == "queue") || !is_region(second(), partition_))
      return false;
    region_ = second();
    return true;
  }

  Result<HostTarget> read_other() {
    take_region_left_of_service();
    std::string prefix;
    std::optional<std::string_view> known;
    // Three labels before two, two before one.
    for (std::size_t count = std::min<std::size_t>(3, labels_.size()); count > 0 && !known;
         --count) {
      prefix.clear();
      for (std::size_t i = labels_.size() - count; i < labels_.size(); ++i)
        prefix.append(prefix.empty() ? "" : ".").append(without_fips(labels_[i]));
      if (is_never_signed(prefix)) return never_signed();
      known = signing_name(prefix);
    }
    if (last() == "iot" && second().ends_with("-ats")) known = "iotdata";
    HostTarget target = regional(known.value_or(prefix));
    target.service_guessed = !known;
    if (target.region.empty()) target.region = region_of_global(target.service);
    return target;
  }

  std::string region_of_global(std::string_view service) const {
    const auto listed = global_region(service);
    if (!listed) return {};
    return std::string(partition_.global_region.empty() ? *listed : partition_.global_region);
  }

  // ID.SERVICE.REGION: only these two shapes have ids of their own domain.
  Result<HostTarget> read_on_aws() {
    if (labels_.size() < 3 || !is_region(last(), partition_)) return unknown_host();
    take_region();
    if (is_never_signed(last())) return never_signed();
    if (last() == "lambda-url") return regional("lambda");
    if (last() == "aos") return regional("es");
    return unknown_host();
  }

  const Partition& partition_;
  Labels labels_;
  std::string_view region_;
};

}  // namespace

Result<HostTarget> host_target(std::string_view host) {
  std::string name = lower(host.substr(0, host.find(':')));
  if (name.ends_with('.')) name.pop_back();
  const Partition* partition = partition_of(name);
  if (partition == nullptr) return unknown_host();
  Labels labels =
      labels_of(std::string_view(name).substr(0, name.size() - partition->suffix.size() - 1));
  if (!std::all_of(labels.begin(), labels.end(), is_label)) return unknown_host();
  return HostReader(*partition, std::move(labels)).read();
}

}  // namespace keyward::netproxy
