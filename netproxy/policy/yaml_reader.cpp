#include "netproxy/policy/yaml_reader.hpp"

#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>

#include "netproxy/policy/yaml.hpp"

namespace keyward::netproxy {
namespace {

constexpr int max_depth = 16;

std::string place(const std::string& file, const YAML::Mark& mark) {
  if (mark.is_null()) return file;
  return file + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
}

// How many single-character edits lead from a to b (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  const auto best =
      std::min_element(known.begin(), known.end(), [&](const std::string& a, const std::string& b) {
        return distance(word, a) < distance(word, b);
      });
  if (best == known.end() || distance(word, *best) > 2) return "";
  return " (did you mean " + *best + "?)";
}

bool contains(std::initializer_list<std::string_view> words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// What a policy does not need: an alias repeats what stands elsewhere, so that a small file could
// unfold into a huge one, and a tag gives a value another type than its text shows.
class Surveyor : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override { ++documents; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse(mark, "aliases"); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string&) override {
    look_at(mark, tag);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    look_at(mark, tag);
    deepest = std::max(deepest, ++depth);
  }
  void OnSequenceEnd() override { --depth; }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    look_at(mark, tag);
    deepest = std::max(deepest, ++depth);
  }
  void OnMapEnd() override { --depth; }

  YAML::Mark where;
  std::string refused;
  int documents = 0, depth = 0, deepest = 0;

 private:
  // The library says "?" for a plain value and "!" for a quoted one.
  void look_at(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") refuse(mark, "tags");
  }
  void refuse(const YAML::Mark& mark, const char* what) {
    if (!refused.empty()) return;
    where = mark;
    refused = what;
  }
};

}  // namespace

tl::unexpected<Error> YamlNode::error(const std::string& what) const {
  return fail(Code::invalid, place(file_, node_.Mark()) + ": " + what);
}

Result<> YamlNode::for_each_entry(
    const std::function<Result<>(const std::string&, const YamlNode&)>& visit) const {
  if (!node_.IsMap()) return error((name_.empty() ? "the document" : name_) + " must be a mapping");
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    const YamlNode key_node(entry.first, file_, name_);
    if (!entry.first.IsScalar()) return key_node.error("a key must be a plain word");
    const std::string key = entry.first.Scalar();
    if (!seen.insert(key).second) return key_node.error("key " + key + " is repeated");
    TRY(visit(key, YamlNode(entry.second, file_, key)));
  }
  return {};
}

Result<> YamlNode::for_each_key(const Handlers& handlers,
                                std::initializer_list<std::string_view> unserved) const {
  return for_each_entry([&](const std::string& key, const YamlNode& value) -> Result<> {
    if (const auto handler = handlers.find(key); handler != handlers.end())
      return handler->second(value);
    if (contains(unserved, key))
      return value.error("key " + key + " is known, but not served by this version");
    std::vector<std::string> known;
    for (const auto& [name, handler] : handlers) known.push_back(name);
    return value.error("unknown key " + key + nearest(key, known));
  });
}

Result<> YamlNode::for_each_item(const Handler& visit) const {
  if (!node_.IsSequence() || node_.size() == 0)
    return error(name_ + " must be a list with at least one entry");
  for (std::size_t i = 0; i < node_.size(); ++i) TRY(visit(YamlNode(node_[i], file_, name_)));
  return {};
}

Result<std::string> YamlNode::text_or_empty() const {
  if (!node_.IsScalar()) return error(name_ + " must be a text");
  return node_.Scalar();
}

Result<std::string> YamlNode::text() const {
  TRY_ASSIGN(std::string value, text_or_empty());
  if (value.empty() || value.find('\0') != std::string::npos)
    return error(name_ + " must be a non-empty text");
  return value;
}

Result<bool> YamlNode::flag() const {
  TRY_ASSIGN(const std::string value, text_or_empty());
  if (value != "true" && value != "false") return error(name_ + " must be true or false");
  return value == "true";
}

Result<std::int64_t> YamlNode::number(std::int64_t low, std::int64_t high) const {
  TRY_ASSIGN(const std::string value, text_or_empty());
  std::int64_t number = 0;
  const auto [end, bad] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (bad != std::errc() || end != value.data() + value.size() || number < low || number > high)
    return error(name_ + " must be " + (low == high ? "" : "a number from ") + std::to_string(low) +
                 (low == high ? "" : " to " + std::to_string(high)));
  return number;
}

Result<std::vector<std::string>> YamlNode::texts() const {
  std::vector<std::string> values;
  TRY(for_each_item([&](const YamlNode& item) -> Result<> {
    TRY_ASSIGN(std::string value, item.text());
    values.push_back(std::move(value));
    return {};
  }));
  return values;
}

YamlNode::Handler text_into(std::string& target) {
  return [&target](const YamlNode& node) -> Result<> {
    TRY_ASSIGN(target, node.text());
    return {};
  };
}

YamlNode::Handler texts_into(std::vector<std::string>& target) {
  return [&target](const YamlNode& node) -> Result<> {
    TRY_ASSIGN(target, node.texts());
    return {};
  };
}

YamlNode::Handler flag_into(bool& target) {
  return [&target](const YamlNode& node) -> Result<> {
    TRY_ASSIGN(target, node.flag());
    return {};
  };
}

tl::unexpected<Error> YamlNode::refuse_choice(
    const std::string& word, const std::vector<std::string>& known,
    std::initializer_list<std::string_view> unserved) const {
  if (contains(unserved, word))
    return error(name_ + ": " + word + " is known, but not served by this version");
  std::string list;
  for (const std::string& choice : known)
    if (!choice.empty()) list += (list.empty() ? "" : ", ") + choice;
  return error(name_ + ": " + word + " is none of " + list + nearest(word, known));
}

Result<YamlDocument> load_yaml(std::string_view yaml, std::string_view file) {
  const std::string name(file);
  if (yaml.size() > policy_file_limit)
    return fail(Code::invalid,
                name + ": larger than " + std::to_string(policy_file_limit) + " bytes");
  // The library throws; here is where that ends.
  try {
    std::istringstream events{std::string(yaml)};
    YAML::Parser parser(events);
    Surveyor found;
    while (found.documents <= 1 && parser.HandleNextDocument(found)) {
    }
    if (!found.refused.empty())
      return fail(Code::invalid,
                  place(name, found.where) + ": " + found.refused + " are not allowed in a policy");
    if (found.deepest > max_depth) return fail(Code::invalid, name + ": nested too deeply");
    if (found.documents != 1) return fail(Code::invalid, name + ": must hold exactly one document");
    return YamlDocument(YAML::Load(std::string(yaml)), name);
  } catch (const YAML::Exception& error) {
    return fail(Code::invalid, place(name, error.mark) + ": not valid YAML: " + error.msg);
  }
}

}  // namespace keyward::netproxy
