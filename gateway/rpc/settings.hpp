#pragma once
// Settings of the gateway and of single sandboxes: the keys that the wire contract registers.

#include <cstdint>
#include <map>
#include <string>

#include "gateway/rpc/call_context.hpp"
#include "policies.pb.h"
#include "sandbox.pb.h"

namespace keyward::gateway {

using SettingValue = openshell::sandbox::v1::SettingValue;

struct Settings {
  std::map<std::string, SettingValue> values;  // those that are set
  std::uint64_t revision = 0;                  // 0: none was ever set
};

// `owner`: a sandbox's id; empty: the gateway's own.
Result<Settings> read_settings(Store& store, const std::string& owner);

// No value deletes; then `deleted` says whether there was one.
struct SettingChange {
  std::string key;
  const SettingValue* value = nullptr;
};
struct SettingChanged {
  std::uint64_t revision = 0;
  bool deleted = false;
};
// Code::invalid: no such key, or the wrong type.
Result<SettingChanged> change_setting(const CallContext& call, const std::string& owner,
                                      const SettingChange& change);

// Every registered key: the sandbox's value, else the gateway's, else an empty one.
Result<> fill_settings(
    Store& store, const std::string& sandbox_id,
    google::protobuf::Map<std::string, openshell::sandbox::v1::EffectiveSetting>& settings);

Result<> get_gateway_config(const CallContext& call,
                            const openshell::v1::GetGatewayConfigRequest& request,
                            openshell::v1::GetGatewayConfigResponse& response);

}  // namespace keyward::gateway
