#include "identity/http/form.hpp"

#include "netproxy/policy/percent.hpp"

namespace keyward::identity {

void Form::add(std::string_view name, std::string_view value) {
  if (!body_.empty()) body_.append("&");
  body_.append(name);
  body_.append("=");
  for (const char& c : value) {
    const std::string_view one(&c, 1);
    body_.append(netproxy::is_unreserved(c)
                     ? std::string(one)
                     : netproxy::percent_encode(one, netproxy::Slash::encode));
  }
}

}  // namespace keyward::identity
