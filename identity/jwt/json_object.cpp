#include "identity/jwt/json_object.hpp"

#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace keyward::identity {
namespace {

// The events of the parser (nlohmann::json_sax): a false answer ends the parse.
class Reader {
 public:
  explicit Reader(JsonLimits limits) : limits_(limits) {}

  using number_integer_t = std::int64_t;
  using number_unsigned_t = std::uint64_t;
  using number_float_t = double;
  using string_t = std::string;
  using binary_t = nlohmann::json::binary_t;

  bool null() { return put(JsonOther{}); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(number_integer_t value) { return put(value); }
  bool number_unsigned(number_unsigned_t value) {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return put(JsonOther{});
    return put(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t, const string_t&) { return put(JsonOther{}); }
  bool string(string_t& value) { return put(std::move(value)); }
  bool binary(binary_t&) { return refuse("binary value"); }

  bool start_object(std::size_t) { return open(true); }
  bool start_array(std::size_t) {
    if (names_.empty()) return refuse("not an object");
    return open(false);
  }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(string_t& name) {
    if (++members_ > limits_.members) return refuse("too many members");
    if (!names_.back().insert(name).second) return refuse("duplicate member");
    if (names_.size() == 1) current_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) {
    return refuse("not valid JSON");  // the library's text would quote the input
  }

  JsonObject object;
  std::string problem;

 private:
  bool refuse(std::string why) {
    if (problem.empty()) problem = std::move(why);
    return false;
  }
  bool put(JsonValue value) {
    if (names_.empty()) return refuse("not an object");
    if (names_.size() == 1) object.set(current_, std::move(value));
    return true;
  }
  bool open(bool is_object) {
    if (names_.size() >= limits_.depth) return refuse("nested too deeply");
    if (!names_.empty())
      put(JsonOther{});
    else if (!is_object)
      return refuse("not an object");
    names_.emplace_back();
    return true;
  }
  bool close() {
    names_.pop_back();
    return true;
  }

  const JsonLimits limits_;
  std::vector<std::set<std::string>> names_;  // one per open object or array, for duplicates
  std::string current_;
  std::size_t members_ = 0;
};

}  // namespace

Result<JsonObject> parse_json_object(std::string_view text) {
  Reader reader{JsonLimits()};
  if (!nlohmann::json::sax_parse(text, &reader))
    return fail(Code::invalid, "json: " + reader.problem);
  return std::move(reader.object);
}

Result<> check_json_object(std::string_view text, JsonLimits limits) {
  Reader reader(limits);
  if (nlohmann::json::sax_parse(text, &reader)) return {};
  return fail(Code::invalid, "json: " + reader.problem);
}

}  // namespace keyward::identity
