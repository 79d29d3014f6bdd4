#pragma once
// Secrets as manifests and as a kubelet mounts them: each key is a link into ..data, which is a
// link to a directory of its own for each version.

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "support.hpp"

namespace keyward::gateway {

struct Manifest {
  std::map<std::string, std::string> fields;  // outside of data, by their last name
  std::map<std::string, std::string> data;    // decoded
};

// The YAML that certgen prints, and no more of YAML than that.
inline std::vector<Manifest> read_manifests(const std::string& text) {
  std::vector<Manifest> manifests(1);
  bool in_data = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line == "---") {
      manifests.emplace_back();
      in_data = false;
      continue;
    }
    CAPTURE(line);
    const auto colon = line.find(':');
    REQUIRE(colon != std::string::npos);
    const std::string key(trim(line.substr(0, colon)));
    std::string value(trim(line.substr(colon + 1)));
    if (line.front() != ' ') in_data = key == "data";
    if (in_data && line.front() == ' ') {
      const auto decoded = unbase64(value);
      REQUIRE(decoded);
      manifests.back().data[key] = *decoded;
    } else {
      manifests.back().fields[key] = value;
    }
  }
  return manifests;
}

class SecretVolume {
 public:
  explicit SecretVolume(std::string path) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
  }
  // Swaps ..data by one rename, as the kubelet's AtomicWriter.
  void mount(const std::map<std::string, std::string>& data) {
    const std::string version = "..2027_01_15_08_00_00." + std::to_string(++version_);
    REQUIRE(::mkdir((path_ + "/" + version).c_str(), 0755) == 0);
    for (const auto& [key, content] : data)
      REQUIRE(create_file(path_ + "/" + version + "/" + key, content, 0400));
    REQUIRE(::symlink(version.c_str(), (path_ + "/..data_tmp").c_str()) == 0);
    std::filesystem::rename(path_ + "/..data_tmp", path_ + "/..data");
    for (const auto& [key, content] : data)
      if (!std::filesystem::is_symlink(path_ + "/" + key))
        REQUIRE(::symlink(("..data/" + key).c_str(), (path_ + "/" + key).c_str()) == 0);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int version_ = 0;
};

}  // namespace keyward::gateway
