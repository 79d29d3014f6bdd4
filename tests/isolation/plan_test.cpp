#include "isolation/plan.hpp"

#include <doctest/doctest.h>

#include "isolation/mountinfo.hpp"

using namespace keyward;
using namespace keyward::isolation;

namespace {

constexpr const char* mountinfo =
    "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "30 22 0:40 / /run rw,nosuid - tmpfs tmpfs rw\n"
    "31 22 254:1 / /data rw - ext4 /dev/vdb rw\n"
    "32 22 254:1 /vault /srv/copy rw master:1 - ext4 /dev/vdb rw\n"
    "33 22 0:50 / /with\\040blank rw - tmpfs tmpfs rw\n";

std::vector<MountEntry> mounts() { return parse_mountinfo(mountinfo).value(); }

}  // namespace

TEST_CASE("mountinfo: reads fields and escapes") {
  const auto entries = mounts();
  REQUIRE(entries.size() == 5);
  CHECK(entries[3].root == "/vault");
  CHECK(entries[3].type == "ext4");
  CHECK(entries[4].point == "/with blank");
  CHECK_FALSE(parse_mountinfo("garbage\n").has_value());
  CHECK_FALSE(parse_mountinfo("22 1 254:0 / / rw,relatime\n").has_value());
}

TEST_CASE("mountinfo: is_below compares components, not characters") {
  CHECK(is_below("/tmp/x", "/tmp"));
  CHECK(is_below("/tmp", "/tmp"));
  CHECK(is_below("/anything", "/"));
  CHECK_FALSE(is_below("/tmpfile", "/tmp"));
}

TEST_CASE("mountinfo: finds the second path to a file") {
  CHECK(aliases_of(mounts(), "/data/vault/token") == std::vector<std::string>{"/srv/copy/token"});
  CHECK(aliases_of(mounts(), "/srv/copy/token") == std::vector<std::string>{"/data/vault/token"});
  CHECK(aliases_of(mounts(), "/data/other").empty());
}

TEST_CASE("plan: the directory of a secret is covered") {
  const auto plan = make_mount_plan({{"/opt/app/auth/token", false}, {"/opt/socket-dir", true}},
                                    "/tmp/home", mounts());
  REQUIRE(plan.has_value());
  CHECK(plan->covered == std::vector<std::string>{"/opt/app/auth", "/opt/socket-dir"});
  CHECK(plan->tmpfs == std::vector<std::string>{"/tmp", "/run"});
}

TEST_CASE("plan: what lies below a private tmpfs is hidden by it already") {
  const auto plan = make_mount_plan({{"/run/spire/agent.sock", false}, {"/tmp/kw/token", false}},
                                    "/home/agent", mounts());
  REQUIRE(plan.has_value());
  CHECK(plan->covered.empty());
  CHECK(plan->tmpfs.back() == "/home/agent");
}

TEST_CASE("plan: refuses what cannot be hidden") {
  for (const char* path : {"/etc/token", "/tmp/token", "/run/token", "/token", "/var/lib/token"}) {
    CAPTURE(path);
    CHECK_FALSE(make_mount_plan({{path, false}}, "/tmp/home", mounts()).has_value());
  }
  CHECK_FALSE(make_mount_plan({{"/home/agent/token", false}}, "/home/agent", mounts()).has_value());
  const auto alias = make_mount_plan({{"/data/vault/token", false}}, "/tmp/home", mounts());
  REQUIRE_FALSE(alias.has_value());
  CHECK(alias.error().what.find("/srv/copy/token") != std::string::npos);
}

TEST_CASE("plan: both paths hidden is fine") {
  CHECK(make_mount_plan({{"/data/vault/token", false}, {"/srv/copy/token", false}}, "/tmp/home",
                        mounts())
            .has_value());
}
