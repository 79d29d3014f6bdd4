#include "gateway/rpc/settings.hpp"

#include <array>

#include "gateway/rpc/policy_rows.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
namespace sandbox_v1 = openshell::sandbox::v1;

constexpr const char* kind = "settings";

struct RegisteredKey {
  const char* name;
  SettingValue::ValueCase type;
};
constexpr auto keys = std::to_array<RegisteredKey>({
    {"providers_v2_enabled", SettingValue::kBoolValue},
    {"ocsf_json_enabled", SettingValue::kBoolValue},
    {"agent_policy_proposals_enabled", SettingValue::kBoolValue},
    {"proposal_approval_mode", SettingValue::kStringValue},
});

Result<> check(const std::string& name, const SettingValue* value) {
  const auto key = std::find_if(keys.begin(), keys.end(),
                                [&](const RegisteredKey& each) { return name == each.name; });
  if (key == keys.end())
    return fail(Code::invalid, "setting_key: there is no setting '" + name.substr(0, 64) + "'");
  if (value == nullptr) return {};
  if (value->value_case() != key->type)
    return fail(Code::invalid, "setting_value: " + name + " has another type");
  if (value->value_case() != SettingValue::kStringValue || value->string_value() == "manual")
    return {};
  if (value->string_value() == "auto")
    return fail(Code::unsupported,
                "proposal_approval_mode: auto is not served: what a sandbox proposes for itself is "
                "approved by people");
  return fail(Code::invalid, "proposal_approval_mode: manual");
}

// One record holds them all, as the message that answers for them.
Result<v1::GetGatewayConfigResponse> read(Store& store, const std::string& owner) {
  v1::GetGatewayConfigResponse settings;
  const auto row = store.record({kind, owner, kind});
  if (!row && row.error().code == Code::not_found) return settings;
  if (!row) return tl::unexpected(row.error());
  if (!settings.ParseFromString(row->body))
    return fail(Code::internal, "stored settings are unreadable");
  settings.set_settings_revision(row->version);
  return settings;
}

}  // namespace

Result<Settings> read_settings(Store& store, const std::string& owner) {
  TRY_ASSIGN(const v1::GetGatewayConfigResponse stored, read(store, owner));
  return Settings{{stored.settings().begin(), stored.settings().end()}, stored.settings_revision()};
}

Result<SettingChanged> change_setting(const CallContext& call, const std::string& owner,
                                      const SettingChange& change) {
  TRY(check(change.key, change.value));
  TRY_ASSIGN(v1::GetGatewayConfigResponse settings, read(call.store(), owner));
  const std::uint64_t version = settings.settings_revision();
  SettingChanged done;
  if (change.value != nullptr)
    (*settings.mutable_settings())[change.key] = *change.value;
  else
    done.deleted = settings.mutable_settings()->erase(change.key) > 0;
  settings.clear_settings_revision();
  auto put =
      call.store().put_record({{kind, owner, kind}, serialize(settings), call.now(), version});
  if (!put && put.error().code == Code::exists)
    return fail(Code::conflict, "the settings have changed meanwhile; try again");
  if (!put) return tl::unexpected(put.error());
  done.revision = *put;
  return done;
}

Result<> fill_settings(Store& store, const std::string& sandbox_id,
                       google::protobuf::Map<std::string, sandbox_v1::EffectiveSetting>& settings) {
  TRY_ASSIGN(const Settings own, read_settings(store, sandbox_id));
  TRY_ASSIGN(const Settings global, read_settings(store, ""));
  for (const RegisteredKey& key : keys) {
    sandbox_v1::EffectiveSetting& setting = settings[key.name];
    setting.mutable_value();
    const auto of_sandbox = own.values.find(key.name);
    const auto of_gateway = global.values.find(key.name);
    if (of_sandbox != own.values.end()) {
      *setting.mutable_value() = of_sandbox->second;
      setting.set_scope(sandbox_v1::SETTING_SCOPE_SANDBOX);
    } else if (of_gateway != global.values.end()) {
      *setting.mutable_value() = of_gateway->second;
      setting.set_scope(sandbox_v1::SETTING_SCOPE_GLOBAL);
    }
  }
  return {};
}

Result<> get_gateway_config(const CallContext& call, const v1::GetGatewayConfigRequest&,
                            v1::GetGatewayConfigResponse& response) {
  TRY_ASSIGN(response, read(call.store(), ""));
  for (const RegisteredKey& key : keys) (*response.mutable_settings())[key.name];
  return {};
}

}  // namespace keyward::gateway
