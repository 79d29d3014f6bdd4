#pragma once
// A strict view of a YAML document: every key must be known, every error says FILE:LINE:COLUMN.

#include <yaml-cpp/yaml.h>

#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keyward::netproxy {

class YamlNode {
 public:
  using Handler = std::function<Result<>(const YamlNode&)>;
  using Handlers = std::map<std::string, Handler, std::less<>>;

  YamlNode(const YAML::Node& node, std::string file, std::string name)
      : node_(node), file_(std::move(file)), name_(std::move(name)) {}

  const std::string& name() const { return name_; }  // the key under which the node stands

  // Calls the handler of each key.  A key of `unserved` is refused as known but not served; any
  // other one as unknown, with the nearest known one; a repeated one as repeated.
  Result<> for_each_key(const Handlers& handlers,
                        std::initializer_list<std::string_view> unserved) const;
  Result<> for_each_entry(
      const std::function<Result<>(const std::string& key, const YamlNode& value)>& visit) const;
  Result<> for_each_item(const Handler& visit) const;

  Result<std::string> text() const;
  Result<bool> flag() const;
  Result<std::int64_t> number(std::int64_t low, std::int64_t high) const;
  Result<std::vector<std::string>> texts() const;  // a non-empty list of strings

  template <class T>
  Result<> choose(const std::map<std::string, T>& choices,
                  std::initializer_list<std::string_view> unserved, T& chosen) const {
    TRY_ASSIGN(const std::string word, text_or_empty());
    if (const auto found = choices.find(word); found != choices.end()) {
      chosen = found->second;
      return {};
    }
    std::vector<std::string> known;
    for (const auto& [choice, value] : choices) known.push_back(choice);
    return refuse_choice(word, known, unserved);
  }

  tl::unexpected<Error> error(const std::string& what) const;

 private:
  Result<std::string> text_or_empty() const;
  tl::unexpected<Error> refuse_choice(const std::string& word,
                                      const std::vector<std::string>& known,
                                      std::initializer_list<std::string_view> unserved) const;

  YAML::Node node_;
  std::string file_, name_;
};

// Handlers for the common kinds of value.
YamlNode::Handler text_into(std::string& target);
YamlNode::Handler texts_into(std::vector<std::string>& target);
YamlNode::Handler flag_into(bool& target);

class YamlDocument {
 public:
  YamlDocument(const YAML::Node& node, std::string file) : node_(node), file_(std::move(file)) {}
  YamlNode root() const { return {node_, file_, ""}; }

 private:
  YAML::Node node_;
  std::string file_;
};

// One document without aliases, tags of its own or nesting beyond 16 levels.
Result<YamlDocument> load_yaml(std::string_view yaml, std::string_view file);

}  // namespace keyward::netproxy
