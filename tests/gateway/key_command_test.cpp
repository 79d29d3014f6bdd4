#include "gateway/store/key_command.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/unique_fd.hpp"
#include "gateway/store/sealing.hpp"
#include "support.hpp"

using namespace keyward;
using namespace keyward::gateway;

namespace {

const std::string digits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr ProgramLimits quick{std::chrono::milliseconds(700), 4096};

struct Scripts {
  TestDirectory directory;
  std::string path = directory / "key-command";
  void write(const std::string& body, mode_t mode = 0700) const {
    REQUIRE(replace_file(path, "#!/bin/sh\n" + body + "\n", mode));
  }
  void refused(const std::string& program, Code code, const std::string& told) const {
    CAPTURE(program);
    const auto key = read_store_key_from(program, quick);
    REQUIRE_FALSE(key);
    CAPTURE(key.error().what);
    CHECK(key.error().code == code);
    CHECK(key.error().what.find(told) != std::string::npos);
    CHECK(key.error().what.find("--key-command " + program) == 0);
    CHECK(key.error().what.find(digits.substr(0, 60)) == std::string::npos);
  }
};

// Gone, or a zombie that nobody has waited for yet.
bool has_ended(const std::string& pid) {
  for (int i = 0; i < 500; ++i) {
    const std::string status = slurp("/proc/" + std::string(trim(pid)) + "/stat");
    const auto name_end = status.rfind(')');
    if (name_end == std::string::npos || status.substr(name_end, 3) == ") Z") return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace

TEST_CASE("key command: gives the key that a key file with the same text gives") {
  const Scripts scripts;
  for (const char* form : {"%s", "%s\\n", "  %s\\r\\n\\n"}) {
    CAPTURE(form);
    scripts.write(std::string("printf '") + form + "' " + digits);
    const auto key = read_store_key_from(scripts.path);
    REQUIRE(key);
    CHECK(key->size() == 32);
    CHECK(key->equals(store_key_of(Secret(digits))->reveal()));
  }
}

TEST_CASE("key command: gets nothing of the gateway's") {
  const Scripts scripts;
  ::setenv("AWS_SECRET_ACCESS_KEY", "not-for-it", 1);
  const UniqueFd other(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC
  REQUIRE(other);
  sigset_t term, before;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &term, &before);
  const auto pipe_before = ::signal(SIGPIPE, SIG_IGN);
  const struct {
    std::string what;
    std::string test;
  } cases[] = {
      {"environment", R"x([ "$(tr '\0' '\n' </proc/$$/environ | cut -d= -f1)" = PATH ])x"},
      {"arguments", "[ $# = 0 ]"},
      {"input", "! read -r line"},
      {"directory", "[ \"$(pwd)\" = / ]"},
      {"descriptors", "[ ! -e /proc/$$/fd/" + std::to_string(other.get()) + " ]"},
      {"blocked signals", "grep -q '^SigBlk:[[:space:]]*0*$' /proc/self/status"},
      {"ignored signals", "grep -q '^SigIgn:.*0000000$' /proc/self/status"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.what);
    scripts.write(c.test + " && echo " + digits);
    CHECK(read_store_key_from(scripts.path));
  }
  ::signal(SIGPIPE, pipe_before);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::unsetenv("AWS_SECRET_ACCESS_KEY");
}

TEST_CASE("key command: anything but a key and status 0 is an error") {
  const Scripts scripts;
  const struct {
    std::string body;
    Code code;
    const char* told;
  } cases[] = {
      {"echo " + digits + "; exit 3", Code::unavailable, "ended with status 3"},
      {"echo " + digits + "; kill -9 $$", Code::unavailable, "ended by signal 9"},
      {"", Code::invalid, "64 hex digits"},
      {"echo " + digits.substr(1), Code::invalid, "64 hex digits"},
      {"echo " + digits + "00", Code::invalid, "64 hex digits"},
      {"echo " + digits + " " + digits, Code::invalid, "64 hex digits"},
      {"echo g" + digits.substr(1), Code::invalid, "64 hex digits"},
      {"head -c 5000 /dev/zero", Code::invalid, "more than 4096 bytes"},
      {"yes", Code::invalid, "more than 4096 bytes"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.body);
    scripts.write(c.body);
    scripts.refused(scripts.path, c.code, c.told);
  }
  REQUIRE(replace_file(scripts.path, "no program", 0700));
  scripts.refused(scripts.path, Code::io, "cannot be started");
}

TEST_CASE("key command: what does not end in time is killed, with what it has started") {
  const Scripts scripts;
  const std::string pid = scripts.directory / "pid", other = scripts.directory / "other";
  const std::string start = "sleep 60 & echo $! >" + other + "; echo $$ >" + pid + "; ";
  for (const std::string body : {"sleep 60", "echo half; sleep 60", "exec >&-; sleep 60", ""}) {
    CAPTURE(body);
    std::string script = start + body;
    if (body.empty()) script += "echo " + digits;  // ends, but `sleep` keeps the output open
    scripts.write(script);
    scripts.refused(scripts.path, Code::timeout, "has not ended within 700 ms");
    CHECK(has_ended(slurp(pid)));
    CHECK(has_ended(slurp(other)));
  }
  scripts.write("sleep 60 >&- & echo $! >" + other + "; echo " + digits);
  CHECK(read_store_key_from(scripts.path));
  CHECK(has_ended(slurp(other)));
}

TEST_CASE("key command: a program that others could have put there is not started") {
  const Scripts scripts;
  const std::string ran = scripts.directory / "ran", inner = scripts.directory / "inner";
  scripts.write("touch " + ran + "; echo " + digits);
  scripts.refused("key-command", Code::invalid, "absolute path");
  scripts.refused("", Code::invalid, "absolute path");
  scripts.refused("./key-command", Code::invalid, "absolute path");
  scripts.refused(scripts.directory / "absent", Code::not_found, "absent");
  scripts.refused(scripts.directory.path(), Code::invalid, "not a regular file");
  scripts.refused(scripts.path + "/", Code::invalid, "key-command/");
  for (const mode_t mode : {0720, 0702, 0722}) {
    scripts.write("touch " + ran, mode);
    scripts.refused(scripts.path, Code::denied, "chmod go-w " + scripts.path);
  }
  scripts.write("touch " + ran + "; echo " + digits, 0600);
  scripts.refused(scripts.path, Code::denied, "Permission denied");

  REQUIRE(::mkdir(inner.c_str(), 0700) == 0);
  scripts.write("echo " + digits);
  std::filesystem::rename(scripts.path, inner + "/real");
  REQUIRE(::symlink("inner/real", scripts.path.c_str()) == 0);
  CHECK(read_store_key_from(scripts.path));
  REQUIRE(::chmod(inner.c_str(), 0777) == 0);
  scripts.refused(inner + "/real", Code::denied, "chmod go-w " + inner);
  scripts.refused(scripts.path, Code::denied, "chmod go-w ");  // also through the link
  REQUIRE(::chmod(inner.c_str(), 01777) == 0);                 // as /tmp
  CHECK(read_store_key_from(inner + "/real"));
  // A link of ours into a directory of others, and back out of it.
  const std::string open_place = scripts.directory / "open";
  REQUIRE(::mkdir(open_place.c_str(), 0700) == 0);
  REQUIRE(::chmod(open_place.c_str(), 0777) == 0);
  REQUIRE(::symlink((inner + "/real").c_str(), (open_place + "/link").c_str()) == 0);
  REQUIRE(::symlink("open/link", (scripts.directory / "first").c_str()) == 0);
  scripts.refused(scripts.directory / "first", Code::denied, "open");
  REQUIRE(::symlink("loop", (scripts.directory / "loop").c_str()) == 0);
  scripts.refused(scripts.directory / "loop", Code::invalid, "too many symbolic links");
  CHECK_FALSE(std::filesystem::exists(ran));
}

TEST_CASE("key command: another user's program is not started" * doctest::skip(::geteuid() != 0)) {
  const Scripts scripts;
  scripts.write("echo " + digits, 0755);
  REQUIRE(::chown(scripts.path.c_str(), 65534, 0) == 0);
  scripts.refused(scripts.path, Code::denied, "belongs to another user");
  REQUIRE(::chown(scripts.path.c_str(), 0, 65534) == 0);
  CHECK(read_store_key_from(scripts.path));
  const std::string link = scripts.directory / "link";
  REQUIRE(::symlink(scripts.path.c_str(), link.c_str()) == 0);
  REQUIRE(::lchown(link.c_str(), 65534, 0) == 0);
  scripts.refused(link, Code::denied, "belongs to another user");
}
