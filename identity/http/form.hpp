#pragma once
// The body of a form (application/x-www-form-urlencoded) that carries secrets.  Pure.

#include <string_view>

#include "base/secret.hpp"

namespace keyward::identity {

constexpr const char* form_content_type = "application/x-www-form-urlencoded";

class Form {
 public:
  // `name` stands as it is; of `value` everything but unreserved characters is %XX.  No copy of it
  // is left.
  void add(std::string_view name, std::string_view value);
  void add_some(std::string_view name, std::string_view value) {
    if (!value.empty()) add(name, value);
  }
  Secret take() { return std::move(body_); }

 private:
  Secret body_;
};

}  // namespace keyward::identity
