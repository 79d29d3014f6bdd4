#include "gateway/certgen/certgen.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "gateway/certgen/certificates.hpp"
#include "gateway/certgen/staging.hpp"
#include "identity/jwt/keys.hpp"
#include "support.hpp"

using namespace keyward;
using namespace keyward::gateway;

namespace {

const char* const all_files[] = {
    "ca.crt",         "ca.key",          "server/tls.crt", "server/tls.key", "client/tls.crt",
    "client/tls.key", "jwt/signing.pem", "jwt/public.pem", "jwt/kid",        "store.key"};

CertgenOptions into(const std::string& directory) {
  CertgenOptions options;
  options.output_dir = directory;
  return options;
}

std::string everything(const std::string& directory) {
  std::string text;
  for (const char* file : all_files) text += slurp(directory + "/" + file) + "|";
  return text;
}

}  // namespace

TEST_CASE("certgen: makes every file with its mode, and a second run changes nothing") {
  TestDirectory directory;
  const std::string out = directory / "pki";
  const TimePoint now = TestClock().time;
  REQUIRE(generate_files(into(out), now));
  for (const std::string file : all_files) {
    CAPTURE(file);
    struct stat status{};
    REQUIRE(::stat((out + "/" + file).c_str(), &status) == 0);
    const bool secret = file.ends_with(".key") || file == "jwt/signing.pem";
    CHECK((status.st_mode & 0777) == (secret ? 0600 : 0644));
  }
  const auto key = identity::parse_private_key_pem(slurp(out + "/jwt/signing.pem"));
  REQUIRE(key);
  CHECK(key->kid == slurp(out + "/jwt/kid"));
  CHECK(*identity::parse_public_key_pem(slurp(out + "/jwt/public.pem")) == key->public_key);

  const std::string before = everything(out);
  const auto again = generate_files(into(out), now);
  REQUIRE(again);
  CHECK(std::all_of(again->begin(), again->end(),
                    [](const std::string& line) { return line.starts_with("keep "); }));
  CHECK(everything(out) == before);
}

TEST_CASE("certgen: a new name re-issues the server certificate by the same CA and keeps names") {
  TestDirectory directory;
  const std::string out = directory / "pki";
  const TimePoint now = TestClock().time;
  CertgenOptions options = into(out);
  options.server_names = {"first.example.com"};
  REQUIRE(generate_files(options, now));
  const std::string ca = slurp(out + "/ca.crt"), client = slurp(out + "/client/tls.crt");
  options.server_names = {"Second.example.com", "192.0.2.7", "2001:DB8:0::1"};
  REQUIRE(generate_files(options, now));
  CHECK(slurp(out + "/ca.crt") == ca);
  CHECK(slurp(out + "/client/tls.crt") == client);
  const auto names = subject_names(slurp(out + "/server/tls.crt"));
  REQUIRE(names);
  for (const char* name : {"first.example.com", "second.example.com", "192.0.2.7", "2001:db8::1",
                           "localhost", "127.0.0.1", "*.openshell.localhost"}) {
    CAPTURE(name);
    CHECK(std::find(names->begin(), names->end(), name) != names->end());
  }
  const std::string settled = everything(out);
  REQUIRE(generate_files(options, now));
  CHECK(everything(out) == settled);
}

TEST_CASE("certgen: an incomplete set is an error that names what is missing") {
  for (const std::string file : {"ca.key", "server/tls.crt", "jwt/kid"}) {
    CAPTURE(file);
    TestDirectory directory;
    const std::string out = directory / "pki";
    REQUIRE(generate_files(into(out), TestClock().time));
    std::filesystem::remove(out + "/" + file);
    const auto refused = generate_files(into(out), TestClock().time);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.find("missing: " + file) != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(out + "/" + file));
  }
}

TEST_CASE("certgen: a dry run writes nothing, jwt-only writes the token key alone") {
  TestDirectory directory;
  CertgenOptions options = into(directory / "pki");
  options.dry_run = true;
  const auto lines = generate_files(options, TestClock().time);
  REQUIRE(lines);
  CHECK(lines->size() == std::size(all_files));
  CHECK_FALSE(std::filesystem::exists(options.output_dir));
  options.dry_run = false;
  options.jwt_only = true;
  REQUIRE(generate_files(options, TestClock().time));
  CHECK(std::filesystem::exists(options.output_dir + "/jwt/signing.pem"));
  CHECK_FALSE(std::filesystem::exists(options.output_dir + "/ca.key"));
}

TEST_CASE("certgen: names that are none are refused before anything is written") {
  for (const char* name : {"", "a b", "a,DNS:evil.example.com", "-a.example", "a..b", "*.", "a.*.b",
                           "host:443", "a\n.example"}) {
    CAPTURE(name);
    TestDirectory directory;
    CertgenOptions options = into(directory / "pki");
    options.server_names = {name};
    CHECK_FALSE(generate_files(options, TestClock().time));
    CHECK_FALSE(std::filesystem::exists(options.output_dir));
  }
}

TEST_CASE("certgen: a run that ended in the middle leaves nothing, or all of it to the next run") {
  TestDirectory directory;
  const std::string out = directory / "pki";
  const TimePoint now = TestClock().time;
  REQUIRE(generate_files(into(directory / "other"), now));
  std::vector<StagedFile> whole;
  for (const std::string file : all_files)
    whole.push_back({file, Secret(slurp(directory / "other/" + file)), file.ends_with("key")});
  SUBCASE("before its set was complete") {
    std::filesystem::create_directories(out + "/.certgen.unfinished/server");
    std::ofstream(out + "/.certgen.unfinished/ca.crt") << "half";
    REQUIRE(generate_files(into(out), now));
    CHECK(everything(out) != everything(directory / "other"));
  }
  SUBCASE("after that") {
    REQUIRE(Staging::open(out)->stage(whole));
    CHECK_FALSE(std::filesystem::exists(out + "/ca.crt"));
    REQUIRE(generate_files(into(out), now));
    CHECK(everything(out) == everything(directory / "other"));
  }
  SUBCASE("between two files") {
    REQUIRE(Staging::open(out)->stage(whole));
    std::filesystem::create_directory(out + "/server");
    std::filesystem::rename(out + "/.certgen.complete/server/tls.key", out + "/server/tls.key");
    REQUIRE(generate_files(into(out), now));
    CHECK(everything(out) == everything(directory / "other"));
  }
  SUBCASE("where a file cannot be written") {
    whole.push_back({std::string(300, 'x'), Secret("too long a name"), true});
    auto staging = Staging::open(out);
    REQUIRE(staging);
    CHECK_FALSE(staging->stage(whole));
    REQUIRE(staging->move_in());
    CHECK(std::filesystem::is_empty(out));
    return;
  }
  std::size_t entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(out)) {
    CHECK_FALSE(entry.path().filename().string().starts_with("."));
    ++entries;
  }
  CHECK(entries == 6);
}

TEST_CASE("certgen: two runs at once do not mix, and a user's certificate is not replaced") {
  TestDirectory directory;
  CertgenOptions options = into(directory / "pki");
  REQUIRE(generate_files(options, TestClock().time));
  {
    const auto other = Staging::open(options.output_dir);
    REQUIRE(other);
    const auto refused = generate_files(options, TestClock().time);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::unavailable);
  }
  options.user = "alice";
  REQUIRE(generate_files(options, TestClock().time));
  const std::string first = slurp(options.output_dir + "/users/alice/tls.crt");
  CHECK(generate_files(options, TestClock().time).error().code == Code::exists);
  CHECK(slurp(options.output_dir + "/users/alice/tls.crt") == first);
}
