#pragma once
// JSON objects from strangers (RFC 8259), read more strictly than JSON asks: no duplicate members
// at any depth, bounded depth, valid UTF-8, nothing after the object.  What is neither a string, a
// boolean nor a 64-bit integer is kept as JsonOther: known to be there, and of no use.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"

namespace keyward::identity {

struct JsonOther {};  // null, fraction, array, object, integer out of range
using JsonValue = std::variant<std::string, std::int64_t, bool, JsonOther>;

class JsonObject {
 public:
  bool has(std::string_view name) const { return members_.find(name) != members_.end(); }
  // Null when the member is absent or of another type.
  const std::string* text(std::string_view name) const { return get<std::string>(name); }
  const std::int64_t* integer(std::string_view name) const { return get<std::int64_t>(name); }
  const bool* boolean(std::string_view name) const { return get<bool>(name); }

  // The text itself, for who wipes it; null as above.
  std::string* text(std::string_view name) {
    const auto found = members_.find(name);
    return found == members_.end() ? nullptr : std::get_if<std::string>(&found->second);
  }

  const std::map<std::string, JsonValue, std::less<>>& members() const { return members_; }
  void set(std::string name, JsonValue value) {
    members_.insert_or_assign(std::move(name), std::move(value));
  }
  void remove(std::string_view name) {
    if (const auto found = members_.find(name); found != members_.end()) members_.erase(found);
  }

 private:
  template <class T>
  const T* get(std::string_view name) const {
    const auto found = members_.find(name);
    return found == members_.end() ? nullptr : std::get_if<T>(&found->second);
  }
  std::map<std::string, JsonValue, std::less<>> members_;
};

// Errors say what is wrong and never quote the text.
Result<JsonObject> parse_json_object(std::string_view text);

struct JsonLimits {
  std::size_t depth = 8, members = 64;  // members: over all depths
};
// Is the text an object that parse_json_object would read, within these limits?  For those who
// then read it with a library that takes more.
Result<> check_json_object(std::string_view text, JsonLimits limits);

}  // namespace keyward::identity
