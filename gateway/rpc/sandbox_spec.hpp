#pragma once
// What a sandbox may be asked to be: the limits of the wire contract.  Pure.

#include <map>
#include <string>

#include "base/result.hpp"
#include "sandboxes.pb.h"

namespace keyward::gateway {

// Errors name the field and the limit.  No command means a login shell.
Result<> check_spec(const openshell::v1::SandboxSpec& spec);
openshell::v1::SandboxSpec with_defaults(openshell::v1::SandboxSpec spec);

// Kubernetes' rules: KEY or PREFIX/KEY, 63 characters per name, values as label values.
Result<> check_labels(const google::protobuf::Map<std::string, std::string>& labels);
Result<> check_annotations(const google::protobuf::Map<std::string, std::string>& annotations);

// "key=value,key=value", at most 64 pairs.
Result<std::map<std::string, std::string>> parse_selector(const std::string& text);

}  // namespace keyward::gateway
