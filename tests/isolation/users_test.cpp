#include "isolation/users.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <vector>

using namespace keyward;
using namespace keyward::isolation;

namespace {

constexpr const char* passwd =
    "root:x:0:0:root:/root:/bin/bash\n"
    "agent:x:1234:77:An agent:/home/agent:/bin/sh\n"
    "nohome:x:1500:1500::/nonexistent:/bin/false\n"
    "broken line\n"
    "wide:x:4294967295:1::/home/wide:/bin/sh\n";

}  // namespace

TEST_CASE("users: names, numbers and the default") {
  struct Case {
    const char* spec;
    uid_t uid;
    gid_t gid;
    const char* home;
  };
  for (const Case& c : std::vector<Case>{{"", 59123, 59123, ""},
                                         {"agent", 1234, 77, "/home/agent"},
                                         {"agent:99", 1234, 99, "/home/agent"},
                                         {"1234", 1234, 77, "/home/agent"},
                                         {"4000", 4000, 4000, ""},
                                         {"4000:50", 4000, 50, ""},
                                         {"nohome", 1500, 1500, ""}}) {
    CAPTURE(c.spec);
    const auto user = resolve_user(c.spec, passwd);
    REQUIRE(user.has_value());
    CHECK(user->uid == c.uid);
    CHECK(user->gid == c.gid);
    CHECK(user->home == c.home);
  }
}

TEST_CASE("users: an image's own sandbox user is the default") {
  const auto user = resolve_user("", "sandbox:x:998:997::/sandbox:/bin/sh\n");
  REQUIRE(user.has_value());
  CHECK(user->uid == 998);
  CHECK(user->home == "/sandbox");
}

TEST_CASE("users: refuses root, tricks and strangers") {
  for (const char* spec :
       {"root", "0", "0:5", "5:0", "nobody-here", "-1", "+5", "0x10", "4294967295", "4294967296",
        "1234:", "1234:abc", " 5", "wide", ":5:", "99999999999999999999"}) {
    CAPTURE(spec);
    CHECK_FALSE(resolve_user(spec, passwd).has_value());
  }
}

TEST_CASE("users: a uid that runs already is refused") {
  CHECK_FALSE(require_unused(::getuid()).has_value());
  CHECK(require_unused(3999999999U).has_value());
}
