#pragma once
// A role of AWS that a session is asked for, and where.  Pure.

#include <chrono>
#include <string>

namespace keyward::identity {

struct AwsRole {
  std::string arn;
  std::string session_name;          // empty: who assumes it names the session
  std::string external_id;           // of AssumeRole, where the role's trust policy wants one
  std::chrono::seconds duration{0};  // of the session; 0: what STS gives unasked
  bool operator==(const AwsRole&) const = default;
};

// AWS's own endpoint of STS.  China's partition has a suffix of its own; the others are named by
// whoever configures them.
inline std::string regional_sts(const std::string& region) {
  if (region.empty()) return "https://sts.amazonaws.com";
  const char* suffix = region.starts_with("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com";
  return "https://sts." + region + suffix;
}

}  // namespace keyward::identity
