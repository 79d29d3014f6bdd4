#include "gateway/store/sealing.hpp"

#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"

namespace keyward::gateway {
namespace {

// NAME NUL VALUE NUL …: neither holds a NUL (checked when a provider is made).
Secret flatten(const std::map<std::string, Secret>& secrets) {
  Secret flat;
  for (const auto& [name, value] : secrets) {
    flat.append(name);
    flat.append(std::string_view("\0", 1));
    flat.append(value.reveal());
    flat.append(std::string_view("\0", 1));
  }
  return flat;
}

Result<std::string_view> take_text(std::string_view& rest) {
  const auto end = rest.find('\0');
  if (end == std::string_view::npos) return fail(Code::internal, "store: malformed sealed record");
  const std::string_view text = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return text;
}

}  // namespace

Result<std::string> Sealer::seal(std::string_view record,
                                 const std::map<std::string, Secret>& secrets) const {
  return aes256gcm_seal(key_, flatten(secrets).reveal(), record);
}

Result<std::map<std::string, Secret>> Sealer::open(std::string_view record,
                                                   std::string_view sealed) const {
  TRY_ASSIGN(const Secret flat, aes256gcm_open(key_, sealed, record));
  std::map<std::string, Secret> secrets;
  for (std::string_view rest = flat.reveal(); !rest.empty();) {
    TRY_ASSIGN(const std::string_view name, take_text(rest));
    TRY_ASSIGN(const std::string_view value, take_text(rest));
    secrets.emplace(name, Secret(value));
  }
  return secrets;
}

Result<Secret> store_key_of(const Secret& text) {
  auto bytes = unhex(trim(text.reveal()));
  if (bytes) {
    Secret key = Secret::take(*bytes);
    if (key.size() == 32) return key;
  }
  return fail(Code::invalid, "a store key is 64 hex digits; make one with: gateway certgen");
}

Result<Secret> read_store_key(const std::string& path) {
  TRY_ASSIGN(const Secret text, read_secret_file(path, 4096));
  auto key = store_key_of(text);
  if (!key) return fail_at(path, std::move(key).error());
  return key;
}

std::string to_json(const std::map<std::string, std::string>& map) {
  return nlohmann::json(map).dump();
}
std::string to_json(const std::vector<std::string>& list) { return nlohmann::json(list).dump(); }

Result<std::map<std::string, std::string>> map_from_json(const std::string& text) {
  const auto parsed = nlohmann::json::parse(text, nullptr, false);
  if (!parsed.is_object()) return fail(Code::internal, "store: malformed record");
  std::map<std::string, std::string> map;
  for (const auto& [key, value] : parsed.items()) {
    if (!value.is_string()) return fail(Code::internal, "store: malformed record");
    map[key] = value.get<std::string>();
  }
  return map;
}

Result<std::vector<std::string>> list_from_json(const std::string& text) {
  const auto parsed = nlohmann::json::parse(text, nullptr, false);
  if (!parsed.is_array()) return fail(Code::internal, "store: malformed record");
  std::vector<std::string> list;
  for (const auto& value : parsed) {
    if (!value.is_string()) return fail(Code::internal, "store: malformed record");
    list.push_back(value.get<std::string>());
  }
  return list;
}

}  // namespace keyward::gateway
