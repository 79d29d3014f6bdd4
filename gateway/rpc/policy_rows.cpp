#include "gateway/rpc/policy_rows.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "netproxy/policy/policy.hpp"
#include "netproxy/policy/yaml.hpp"
#include "proto/policy_wire.hpp"

namespace keyward::gateway {
namespace {

constexpr std::size_t policy_limit = 262'144;  // bytes, serialized

Result<PolicyRow> row_of(const netproxy::PolicyModel& model, TimePoint now) {
  TRY(netproxy::compile(model));
  PolicyRow row;
  row.policy = serialize(wire::to_wire(model));
  if (row.policy.size() > policy_limit)
    return fail(Code::invalid, "policy: longer than 262144 bytes");
  row.hash = hex(sha256(row.policy));
  row.created = now;
  return row;
}

}  // namespace

std::string serialize(const google::protobuf::Message& message) {
  std::string text;
  {
    google::protobuf::io::StringOutputStream stream(&text);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return text;
}

Result<PolicyRow> policy_row(const std::string& yaml, const std::string& file, TimePoint now) {
  TRY_ASSIGN(const netproxy::PolicyModel model, netproxy::parse_policy(yaml, file));
  TRY_ASSIGN(PolicyRow row, row_of(model, now));
  row.source = yaml;
  return row;
}

Result<PolicyRow> policy_row(const WirePolicy& policy, TimePoint now) {
  TRY_ASSIGN(const netproxy::PolicyModel model, wire::from_wire(policy));
  return row_of(model, now);
}

Result<WirePolicy> read_policy(const std::string& stored) {
  WirePolicy policy;
  if (!policy.ParseFromString(stored)) return fail(Code::internal, "a stored policy is unreadable");
  return policy;
}

Result<openshell::sandbox::v1::NetworkPolicyRule> canonical_rule(
    const openshell::sandbox::v1::NetworkPolicyRule& rule) {
  WirePolicy policy;
  policy.set_version(1);
  (*policy.mutable_network_policies())["rule"] = rule;
  TRY_ASSIGN(const PolicyRow row, policy_row(policy, {}));
  TRY_ASSIGN(const WirePolicy canonical, read_policy(row.policy));
  return canonical.network_policies().at("rule");
}

bool same_static_part(WirePolicy a, WirePolicy b) {
  a.clear_network_policies();
  b.clear_network_policies();
  return serialize(a) == serialize(b);
}

}  // namespace keyward::gateway
