#include "gateway/rpc/sandbox_spec.hpp"

#include <algorithm>

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
using Map = google::protobuf::Map<std::string, std::string>;

constexpr int entries_limit = 128, providers_limit = 32, arguments_limit = 256;
constexpr std::size_t log_level_limit = 32, variable_limit = 256, value_limit = 8192,
                      environment_limit = 262'144, argument_limit = 32'768, command_limit = 262'144,
                      text_limit = 1024, struct_limit = 65'536, label_limit = 63,
                      prefix_limit = 253, annotations_limit = 262'144;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

Result<> too_long(const std::string& what, std::size_t limit) {
  return fail(Code::invalid, what + ": longer than " + std::to_string(limit) + " bytes");
}
Result<> too_many(const std::string& what, int limit) {
  return fail(Code::invalid, what + ": more than " + std::to_string(limit));
}

Result<> check_variable_of_child(const std::string& field, const std::string& name) {
  const bool well_formed =
      !name.empty() && name.size() <= variable_limit && !(name[0] >= '0' && name[0] <= '9') &&
      std::all_of(name.begin(), name.end(), [](char c) { return is_alphanumeric(c) || c == '_'; });
  if (!well_formed)
    return fail(Code::invalid, field + ": a name has letters, digits and underscores only");
  if (name.starts_with("OPENSHELL_"))
    return fail(Code::invalid, field + ": names that begin with OPENSHELL_ are the supervisor's");
  return {};
}

Result<> check_environment(const std::string& field, const Map& environment) {
  if (environment.size() > entries_limit) return too_many(field, entries_limit);
  std::size_t total = 0;
  for (const auto& [name, value] : environment) {
    TRY(check_variable_of_child(field, name));
    if (value.size() > value_limit) return too_long(field + "." + name, value_limit);
    if (value.find_first_of(std::string_view("\0\r\n", 3)) != std::string::npos)
      return fail(Code::invalid, field + "." + name + ": has NUL, CR or LF");
    total += name.size() + value.size();
  }
  return total > environment_limit ? too_long(field, environment_limit) : Result<>();
}

Result<> check_command(const v1::SandboxSpec& spec) {
  if (spec.command_size() > arguments_limit) return too_many("spec.command", arguments_limit);
  std::size_t total = 0;
  for (const std::string& argument : spec.command()) {
    if (argument.size() > argument_limit) return too_long("spec.command", argument_limit);
    if (argument.find('\0') != std::string::npos)
      return fail(Code::invalid, "spec.command: has NUL");
    total += argument.size();
  }
  if (total > command_limit) return too_long("spec.command", command_limit);
  if (spec.command_size() > 0 && spec.command(0).empty())
    return fail(Code::invalid, "spec.command: the first argument is empty");
  return {};
}

Result<> check_template(const v1::SandboxTemplate& shape) {
  for (const std::string* text :
       {&shape.image(), &shape.runtime_class_name(), &shape.agent_socket()})
    if (text->size() > text_limit) return too_long("spec.template", text_limit);
  TRY(check_labels(shape.labels()));
  TRY(check_annotations(shape.annotations()));
  TRY(check_environment("spec.template.environment", shape.environment()));
  if (shape.resources().ByteSizeLong() > struct_limit)
    return too_long("spec.template.resources", struct_limit);
  if (shape.driver_config().ByteSizeLong() > struct_limit)
    return too_long("spec.template.driver_config", struct_limit);
  return {};
}

// Of a label's key after the prefix, and of its value.
bool is_label_text(std::string_view text) {
  return text.size() <= label_limit && is_alphanumeric(text.front()) &&
         is_alphanumeric(text.back()) && std::all_of(text.begin(), text.end(), [](char c) {
           return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
         });
}

Result<> check_key(std::string_view field, std::string_view key) {
  const auto slash = key.find('/');
  const std::string_view prefix = slash == std::string_view::npos ? "" : key.substr(0, slash);
  const std::string_view name = slash == std::string_view::npos ? key : key.substr(slash + 1);
  const bool good =
      !name.empty() && is_label_text(name) &&
      (slash == std::string_view::npos || (!prefix.empty() && prefix.size() <= prefix_limit &&
                                           std::all_of(prefix.begin(), prefix.end(), [](char c) {
                                             return is_alphanumeric(c) || c == '-' || c == '.';
                                           })));
  if (good) return {};
  return fail(Code::invalid, std::string(field) +
                                 ": a key is NAME or PREFIX/NAME of letters, digits, '-', '_', "
                                 "'.', at most 63 characters each");
}

}  // namespace

Result<> check_spec(const v1::SandboxSpec& spec) {
  if (spec.providers_size() > providers_limit) return too_many("spec.providers", providers_limit);
  if (spec.log_level().size() > log_level_limit) return too_long("spec.log_level", log_level_limit);
  TRY(check_environment("spec.environment", spec.environment()));
  TRY(check_template(spec.template_()));
  TRY(check_command(spec));
  const auto& gpu = spec.resource_requirements().gpu();
  if (gpu.has_count() && gpu.count() == 0)
    return fail(Code::invalid, "spec.resource_requirements.gpu.count must be positive");
  return {};
}

v1::SandboxSpec with_defaults(v1::SandboxSpec spec) {
  if (!spec.command().empty()) return spec;
  spec.add_command("/bin/bash");
  spec.add_command("-l");
  spec.set_tty(true);
  return spec;
}

Result<> check_labels(const Map& labels) {
  if (labels.size() > entries_limit) return too_many("labels", entries_limit);
  for (const auto& [key, value] : labels) {
    TRY(check_key("labels", key));
    if (!value.empty() && !is_label_text(value))
      return fail(Code::invalid,
                  "labels." + key + ": a value has at most 63 letters, digits, '-', '_', '.'");
  }
  return {};
}

Result<> check_annotations(const Map& annotations) {
  if (annotations.size() > entries_limit) return too_many("annotations", entries_limit);
  std::size_t total = 0;
  for (const auto& [key, value] : annotations) {
    TRY(check_key("annotations", key));
    total += key.size() + value.size();
  }
  return total > annotations_limit ? too_long("annotations", annotations_limit) : Result<>();
}

Result<std::map<std::string, std::string>> parse_selector(const std::string& text) {
  constexpr std::size_t pairs_limit = 64;
  std::map<std::string, std::string> pairs;
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    const std::string_view pair = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0 || pairs.size() == pairs_limit)
      return fail(Code::invalid, "label_selector: key=value pairs with commas between, at most 64");
    pairs.emplace(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return pairs;
}

}  // namespace keyward::gateway
