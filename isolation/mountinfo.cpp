#include "isolation/mountinfo.hpp"

#include <sstream>

#include "base/file.hpp"

namespace keyward::isolation {
namespace {

// Blanks and backslashes are written as three octal digits.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool octal = text[i] == '\\' && i + 3 < text.size() &&
                       text.find_first_not_of("01234567", i + 1) >= i + 4;
    if (!octal) {
      out += text[i];
      continue;
    }
    out +=
        static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
    i += 3;
  }
  return out;
}

std::string join(std::string_view directory, std::string_view rest) {
  if (rest.empty() || rest == "/") return std::string(directory);
  std::string path(directory == "/" ? "" : directory);
  if (!rest.starts_with('/')) path += '/';
  return path.append(rest);
}

std::string_view below(std::string_view path, std::string_view directory) {
  return directory == "/" ? path : path.substr(directory.size());
}

}  // namespace

bool is_below(std::string_view path, std::string_view directory) {
  if (directory == "/") return path.starts_with('/');
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

Result<std::vector<MountEntry>> parse_mountinfo(std::string_view text) {
  std::vector<MountEntry> mounts;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string id, parent, word;
    MountEntry mount;
    if (!(fields >> id >> parent >> mount.device >> mount.root >> mount.point >> mount.options))
      return fail(Code::invalid, "mountinfo: malformed line");
    while (fields >> word && word != "-") {
    }
    if (!(fields >> mount.type)) return fail(Code::invalid, "mountinfo: malformed line");
    mount.root = unescape(mount.root);
    mount.point = unescape(mount.point);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

Result<std::vector<MountEntry>> read_mountinfo() {
  TRY_ASSIGN(const std::string text, read_file("/proc/self/mountinfo", std::size_t{16} << 20));
  return parse_mountinfo(text);
}

std::vector<std::string> aliases_of(const std::vector<MountEntry>& mounts, std::string_view path) {
  const MountEntry* own = nullptr;
  for (const MountEntry& mount : mounts)
    if (is_below(path, mount.point) && (own == nullptr || mount.point.size() >= own->point.size()))
      own = &mount;
  if (own == nullptr) return {};
  const std::string inside = join(own->root, below(path, own->point));
  std::vector<std::string> found;
  for (const MountEntry& mount : mounts) {
    if (&mount == own || mount.device != own->device || !is_below(inside, mount.root)) continue;
    std::string alias = join(mount.point, below(inside, mount.root));
    if (alias != path) found.push_back(std::move(alias));
  }
  return found;
}

}  // namespace keyward::isolation
