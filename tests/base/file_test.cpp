#include "base/file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

using namespace keyward;

namespace {

class Folder {
 public:
  Folder() { path_ = ::mkdtemp(name_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const char* name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  char name_[32] = "/tmp/keyward-file-XXXXXX";
  std::string path_;
};

mode_t mode_of(const std::string& path) {
  struct stat status{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

}  // namespace

TEST_CASE("file: replaces as a whole and leaves nothing beside") {
  const Folder folder;
  const std::string path = folder / "token";
  REQUIRE(create_file(path, "one", 0600).has_value());
  REQUIRE(replace_file(path, "two", 0640).has_value());
  CHECK(read_file(path).value() == "two");
  CHECK(mode_of(path) == 0640);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("file: create refuses an existing file and a symbolic link") {
  const Folder folder;
  REQUIRE(create_file(folder / "a", "one", 0600).has_value());
  REQUIRE(::symlink("nowhere", (folder / "link").c_str()) == 0);
  CHECK(create_file(folder / "a", "two", 0600).error().code == Code::exists);
  CHECK(create_file(folder / "link", "two", 0600).error().code == Code::exists);
  CHECK(read_file(folder / "a").value() == "one");
}

TEST_CASE("file: a secret that others can read is refused, with the remedy") {
  const Folder folder;
  const std::string path = folder / "key";
  REQUIRE(create_file(path, "s3cr3t", 0644).has_value());
  const auto open = read_secret_file(path);
  REQUIRE_FALSE(open.has_value());
  CHECK(open.error().what.find("chmod 600") != std::string::npos);
  CHECK(open.error().what.find("s3cr3t") == std::string::npos);
  REQUIRE(replace_file(path, "s3cr3t", 0600).has_value());
  CHECK(read_secret_file(path).value().reveal() == "s3cr3t");
}

TEST_CASE("file: refuses what is no small regular file") {
  const Folder folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  REQUIRE(create_file(folder / "big", std::string(100, 'x'), 0600).has_value());
  CHECK_FALSE(read_file(folder / "fifo").has_value());
  CHECK_FALSE(read_file(folder.path()).has_value());
  CHECK_FALSE(read_file(folder / "big", 99).has_value());
  CHECK(read_file(folder / "big", 100).has_value());
  CHECK(read_file(folder / "absent").error().code == Code::not_found);
}
