#include "identity/aws/answers.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <pugixml.hpp>

#include "base/bytes.hpp"
#include "identity/jwt/json_object.hpp"

namespace keyward::identity {
namespace {

constexpr std::size_t longest_id = 128, longest_key = 256, longest_token = 16'384;
constexpr std::size_t longest_code = 64, longest_problem = 300;

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

bool is_word(std::string_view text, std::size_t limit) {
  return !text.empty() && text.size() <= limit && is_printable(text);
}

struct Parts {
  std::string_view id, key, session, expiration;
};

// The parts become headers and HMAC keys: nothing but printable ASCII may be in them.
Result<AwsKeys> to_keys(const Parts& parts) {
  const bool id =
      is_word(parts.id, longest_id) && parts.id.find_first_of("/,=\"") == std::string_view::npos;
  if (!id) return fail(Code::invalid, "the answer has no usable AccessKeyId");
  if (!is_word(parts.key, longest_key))
    return fail(Code::invalid, "the answer has no usable SecretAccessKey");
  if (!parts.session.empty() && !is_word(parts.session, longest_token))
    return fail(Code::invalid, "the answer's session token is not usable");
  AwsKeys keys{{std::string(parts.id), Secret(parts.key), Secret(parts.session)}, {}, {}};
  if (parts.expiration.empty()) return keys;
  Result<TimePoint> expires = parse_rfc3339(parts.expiration);
  if (!expires) return fail(Code::invalid, "the answer's expiration is not a time");
  keys.expires = *expires;
  return keys;
}

std::string_view text_of(const JsonObject& object, std::string_view name) {
  const std::string* text = object.text(name);
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Digits, and the literal characters of `form` where it has no 'd'.
bool has_form(std::string_view text, std::string_view form) {
  if (text.size() < form.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i)
    if (form[i] == 'd' ? !is_digit(text[i]) : text[i] != form[i]) return false;
  return true;
}

int number(std::string_view text, std::size_t at, std::size_t size) {
  int value = 0;
  for (const char c : text.substr(at, size)) value = value * 10 + (c - '0');
  return value;
}

Result<std::chrono::minutes> read_offset(std::string_view zone) {
  if (zone == "Z" || zone == "z") return std::chrono::minutes(0);
  const bool sign = !zone.empty() && (zone[0] == '+' || zone[0] == '-');
  if (!sign || zone.size() != 6 || !has_form(zone.substr(1), "dd:dd"))
    return fail(Code::invalid, "not an RFC 3339 time");
  const std::chrono::minutes offset(number(zone, 1, 2) * 60 + number(zone, 4, 2));
  return zone[0] == '-' ? -offset : offset;
}

}  // namespace

Result<TimePoint> parse_rfc3339(std::string_view text) {
  constexpr std::string_view form = "dddd-dd-ddTdd:dd:dd";
  if (!has_form(text, form)) return fail(Code::invalid, "not an RFC 3339 time");
  using namespace std::chrono;
  const year_month_day day{year(number(text, 0, 4)),
                           month(static_cast<unsigned>(number(text, 5, 2))),
                           std::chrono::day(static_cast<unsigned>(number(text, 8, 2)))};
  const int hour = number(text, 11, 2), minute = number(text, 14, 2), second = number(text, 17, 2);
  if (!day.ok() || hour > 23 || minute > 59 || second > 60)
    return fail(Code::invalid, "not an RFC 3339 time");
  std::string_view rest = text.substr(form.size());
  if (rest.starts_with('.')) {
    const auto* end = std::find_if_not(rest.begin() + 1, rest.end(), is_digit);
    if (end == rest.begin() + 1) return fail(Code::invalid, "not an RFC 3339 time");
    rest.remove_prefix(static_cast<std::size_t>(end - rest.begin()));
  }
  TRY_ASSIGN(const minutes offset, read_offset(rest));
  return TimePoint(sys_days(day) + hours(hour) + minutes(minute) + seconds(second) - offset);
}

Result<AwsKeys> parse_sts_answer(std::string_view xml) {
  std::vector<char, ZeroizingAllocator<char>> text(xml.begin(), xml.end());  // which holds keys
  pugi::xml_document document;
  if (!document.load_buffer_inplace(text.data(), text.size(), pugi::parse_default,
                                    pugi::encoding_utf8))
    return fail(Code::invalid, "the answer is not XML");
  const pugi::xml_node answer = document.document_element();  // AssumeRole…Response
  for (const pugi::xml_node result : answer.children()) {     // AssumeRole…Result
    const pugi::xml_node found = result.child("Credentials");
    if (!found) continue;
    const Parts parts{found.child_value("AccessKeyId"), found.child_value("SecretAccessKey"),
                      found.child_value("SessionToken"), found.child_value("Expiration")};
    if (parts.session.empty() || parts.expiration.empty())
      return fail(Code::invalid, "the answer has no SessionToken or no Expiration");
    return to_keys(parts);
  }
  return fail(Code::invalid, "the answer has no Credentials");
}

StsProblem sts_problem(std::string_view xml) {
  StsProblem unknown{"", "no reason was given"};
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8))
    return unknown;
  const pugi::xml_node error = document.document_element().child("Error");
  const std::string code = printable(error.child_value("Code"), longest_code);
  if (code.empty()) return unknown;
  return {code, printable(code + ": " + error.child_value("Message"), longest_problem)};
}

Result<AwsKeys> parse_metadata_answer(std::string_view json) {
  TRY_ASSIGN(const JsonObject object, parse_json_object(json));
  const std::string_view code = text_of(object, "Code");
  if (object.has("Code") && code != "Success")
    return fail(Code::unavailable, "the service has no keys for this role");
  const Parts parts{text_of(object, "AccessKeyId"), text_of(object, "SecretAccessKey"),
                    text_of(object, "Token"), text_of(object, "Expiration")};
  if (parts.expiration.empty()) return fail(Code::invalid, "the answer has no Expiration");
  return to_keys(parts);
}

Result<AwsKeys> parse_process_answer(std::string_view json) {
  TRY_ASSIGN(const JsonObject object, parse_json_object(json));
  const std::int64_t* version = object.integer("Version");
  if (version == nullptr || *version != 1)
    return fail(Code::invalid, "the answer's Version is not 1");
  return to_keys({text_of(object, "AccessKeyId"), text_of(object, "SecretAccessKey"),
                  text_of(object, "SessionToken"), text_of(object, "Expiration")});
}

}  // namespace keyward::identity
