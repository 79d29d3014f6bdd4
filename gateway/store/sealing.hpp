#pragma once
// Secrets at rest: AES-256-GCM with the operator's key, each text tied to the record it
// belongs to.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward::gateway {

class Sealer {
 public:
  explicit Sealer(Secret key) : key_(std::move(key)) {}
  Result<std::string> seal(std::string_view record,
                           const std::map<std::string, Secret>& secrets) const;
  Result<std::map<std::string, Secret>> open(std::string_view record,
                                             std::string_view sealed) const;

 private:
  Secret key_;
};

// 32 bytes, from 64 hex digits with or without blanks and line ends around them.
Result<Secret> store_key_of(const Secret& text);

// From a file that only its owner can read (`gateway certgen` makes store.key).
Result<Secret> read_store_key(const std::string& path);

// Values without secrets, as JSON text.
std::string to_json(const std::map<std::string, std::string>& map);
std::string to_json(const std::vector<std::string>& list);
Result<std::map<std::string, std::string>> map_from_json(const std::string& text);
Result<std::vector<std::string>> list_from_json(const std::string& text);

}  // namespace keyward::gateway
