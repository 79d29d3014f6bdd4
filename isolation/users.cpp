#include "isolation/users.hpp"

#include <dirent.h>

#include <array>
#include <charconv>
#include <memory>
#include <vector>

#include "base/file.hpp"

namespace keyward::isolation {
namespace {

constexpr std::int64_t no_id = 0xffffffff;  // (uid_t)-1: "leave unchanged" to setresuid(2)

Result<std::uint32_t> parse_id(std::string_view text, std::string_view what) {
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text[0] == '+' || text[0] == '-' || error != std::errc() ||
      end != text.data() + text.size())
    return fail(Code::invalid, "--user: " + std::string(what) + " must be a plain decimal number");
  if (value == 0)
    return fail(Code::invalid,
                "--user: " + std::string(what) + " 0 is root, which the program must never be");
  if (value >= no_id)
    return fail(Code::invalid, "--user: " + std::string(what) + " is out of range");
  return static_cast<std::uint32_t>(value);
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

// name:password:uid:gid:gecos:home:shell (passwd(5)); malformed lines are nobody.
struct Entry {
  std::string_view name, uid, gid, home;
};
std::optional<Entry> find_entry(std::string_view passwd, std::string_view name,
                                std::string_view uid) {
  for (const std::string_view line : split(passwd, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() != 7 || fields[0].empty()) continue;
    if (name.empty() ? fields[2] == uid : fields[0] == name)
      return Entry{fields[0], fields[2], fields[3], fields[5]};
  }
  return std::nullopt;
}

bool usable_home(std::string_view home) {
  return home.size() > 1 && home[0] == '/' && home != "/nonexistent" &&
         home.find("..") == std::string_view::npos;
}

Result<User> from_entry(const Entry& entry) {
  User user;
  user.name = entry.name;
  TRY_ASSIGN(user.uid, parse_id(entry.uid, "uid"));
  TRY_ASSIGN(user.gid, parse_id(entry.gid, "gid"));
  if (usable_home(entry.home)) user.home = entry.home;
  return user;
}

}  // namespace

Result<User> resolve_user(std::string_view spec, std::string_view passwd) {
  const auto colon = spec.find(':');
  const std::string_view who = spec.substr(0, colon);
  const bool numeric = is_number(who);
  const auto entry = find_entry(passwd, numeric ? "" : who.empty() ? default_user_name : who, who);
  User user;
  if (entry) {
    TRY_ASSIGN(user, from_entry(*entry));
  } else if (spec.empty()) {
    user = {default_user_name, default_uid, default_uid, ""};
  } else if (numeric) {
    TRY_ASSIGN(user.uid, parse_id(who, "uid"));
    user.gid = user.uid;
    user.name = std::to_string(user.uid);
  } else {
    return fail(Code::not_found, "--user: no user " + std::string(who) +
                                     " in /etc/passwd; give a name that exists or UID[:GID]");
  }
  if (colon != std::string_view::npos) {
    TRY_ASSIGN(user.gid, parse_id(spec.substr(colon + 1), "gid"));
  }
  return user;
}

Result<> require_unused(uid_t uid) {
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
  if (!proc) return fail_errno("user: /proc");
  while (const dirent* entry = ::readdir(proc.get())) {
    if (!is_number(entry->d_name)) continue;
    const auto status = read_file(std::string("/proc/") + entry->d_name + "/status", 65536);
    if (!status) continue;  // it has ended meanwhile
    const auto at = status->find("\nUid:\t");
    if (at == std::string::npos) continue;
    const std::string line = status->substr(at + 6, status->find('\n', at + 6) - at - 6);
    for (const std::string_view id : split(line, '\t'))
      if (id == std::to_string(uid))
        return fail(
            Code::denied,
            "user: process " + std::string(entry->d_name) + " already runs as uid " +
                std::to_string(uid) +
                ", and could be used to look out of the sandbox; give another one with --user");
  }
  return {};
}

}  // namespace keyward::isolation
