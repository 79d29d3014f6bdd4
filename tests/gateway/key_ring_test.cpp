#include "gateway/issue/key_ring.hpp"

#include "base/file.hpp"
#include "gateway/certgen/certgen.hpp"
#include "support.hpp"

using namespace keyward;
using namespace keyward::gateway;

namespace {

constexpr std::chrono::seconds life{3600};

// A directory as certgen writes it.
struct Keys {
  TestDirectory directory;
  TimePoint now = SystemClock().now();  // modification times are the file system's
  Keys() { REQUIRE(generate_files({directory.path(), {}, true, false, "", false}, now)); }
  std::string path() const { return directory / "jwt"; }
  std::unique_ptr<KeyDirectory> open() const {
    auto ring = KeyDirectory::open(path(), life, now);
    REQUIRE(ring);
    return std::move(*ring);
  }
  std::string rotate() const {
    const auto kid = rotate_keys(path(), now);
    REQUIRE(kid);
    return *kid;
  }
  void write(const std::string& file, const std::string& content) const {
    REQUIRE(replace_file(path() + "/" + file, content, file == "signing.pem" ? 0600 : 0644));
  }
};

bool verifies(const KeyRing& ring, const std::string& kid) {
  const auto keys = ring.keys();
  return std::any_of(keys->verifying.begin(), keys->verifying.end(),
                     [&](const auto& key) { return key.kid == kid; });
}

}  // namespace

TEST_CASE("key ring: a rotation signs with the new key and verifies with both") {
  const Keys keys;
  const auto ring = keys.open();
  const std::string first = ring->keys()->current.kid;
  CHECK_FALSE(*ring->reload(keys.now));  // nothing has changed
  const std::string second = keys.rotate();
  CHECK(second != first);
  CHECK(ring->keys()->current.kid == first);  // until it looks
  CHECK(*ring->reload(keys.now));
  CHECK(ring->keys()->current.kid == second);
  CHECK(verifies(*ring, first));
  CHECK(verifies(*ring, second));
  CHECK(slurp(keys.path() + "/kid") == second);

  const auto listed = list_keys(keys.path());
  REQUIRE(listed);
  REQUIRE(listed->size() == 2);
  CHECK(listed->front().kid == second);
  CHECK(listed->front().current);
  CHECK(listed->back().kid == first);
}

TEST_CASE("key ring: a retired key verifies until no token of it can live") {
  const Keys keys;
  const auto ring = keys.open();
  const std::string first = ring->keys()->current.kid;
  keys.rotate();
  REQUIRE(ring->reload(keys.now + life));
  CHECK(verifies(*ring, first));
  REQUIRE(ring->reload(keys.now + life + std::chrono::seconds(70)));
  CHECK_FALSE(verifies(*ring, first));
  // Much later a rotation forgets it.
  REQUIRE(rotate_keys(keys.path(), keys.now + std::chrono::hours(24 * 9)));
  const auto listed = list_keys(keys.path());
  REQUIRE(listed);
  CHECK(std::none_of(listed->begin(), listed->end(),
                     [&](const auto& key) { return key.kid == first; }));
}

TEST_CASE("key ring: a token of a key that is not known yet is looked up, once a second") {
  const Keys keys;
  const auto ring = keys.open();
  const std::string second = keys.rotate();
  ring->look_again(keys.now + std::chrono::seconds(2));
  CHECK(verifies(*ring, second));
  const std::string third = keys.rotate();
  ring->look_again(keys.now + std::chrono::milliseconds(2500));
  CHECK_FALSE(verifies(*ring, third));
  ring->look_again(keys.now + std::chrono::seconds(4));
  CHECK(verifies(*ring, third));
}

TEST_CASE("key ring: a rotation that was cut off after any of its steps leaves usable keys") {
  const Keys keys;
  const std::string old_signing = slurp(keys.path() + "/signing.pem"),
                    old_public = slurp(keys.path() + "/public.pem"),
                    old_kid = slurp(keys.path() + "/kid");
  keys.rotate();
  const std::string new_signing = slurp(keys.path() + "/signing.pem"),
                    new_public = slurp(keys.path() + "/public.pem"),
                    new_kid = slurp(keys.path() + "/kid");
  struct {
    std::string signing, public_pem, kid;
  } const states[] = {{old_signing, old_public, old_kid},
                      {new_signing, old_public, old_kid},
                      {new_signing, new_public, old_kid},
                      {new_signing, new_public, new_kid}};
  for (const auto& state : states) {
    keys.write("signing.pem", state.signing);
    keys.write("public.pem", state.public_pem);
    keys.write("kid", state.kid);
    const auto ring = keys.open();
    CHECK(verifies(*ring, old_kid));
    keys.rotate();  // and the next one goes through
    CHECK(*ring->reload(keys.now));
    CHECK(verifies(*ring, old_kid));
  }
}

TEST_CASE("key ring: what does not belong together is refused, and named") {
  const Keys keys, others;
  const auto refused = [&](const char* word) {
    const auto ring = KeyDirectory::open(keys.path(), life, keys.now);
    REQUIRE_FALSE(ring);
    CAPTURE(ring.error().what);
    CHECK(ring.error().what.find(word) != std::string::npos);
  };
  const auto ring = keys.open();
  const std::string kid = ring->keys()->current.kid, pem = slurp(keys.path() + "/public.pem");
  keys.write("public.pem", slurp(others.path() + "/public.pem"));
  refused("do not belong together");
  keys.write("public.pem", pem);
  keys.write("kid", std::string(32, '0'));
  refused("do not belong together");
  keys.write("kid", kid);
  std::filesystem::create_directory(keys.path() + "/retired");
  keys.write("retired/" + std::string(32, 'a') + ".pem", slurp(others.path() + "/public.pem"));
  refused("named after its key id");
  keys.write("retired/" + std::string(32, 'a') + ".pem", "garbage");
  refused("retired/");
  std::filesystem::remove_all(keys.path() + "/retired");
  keys.write("signing.pem", "");
  refused("signing.pem");
  CHECK_FALSE(ring->reload(keys.now));
  CHECK(ring->keys()->current.kid == kid);  // as it was
  std::filesystem::remove(keys.path() + "/signing.pem");
  refused("signing.pem");
  CHECK_FALSE(rotate_keys(keys.path(), keys.now));
}
