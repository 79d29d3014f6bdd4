#include "isolation/plan.hpp"

#include <algorithm>
#include <array>

namespace keyward::isolation {
namespace {

constexpr std::array<std::string_view, 30> shared_directories = {
    "/",        "/bin",       "/boot",    "/dev",     "/dev/shm", "/etc",
    "/home",    "/lib",       "/lib64",   "/media",   "/mnt",     "/opt",
    "/proc",    "/root",      "/run",     "/sbin",    "/srv",     "/sys",
    "/tmp",     "/usr",       "/var",     "/var/lib", "/var/log", "/var/tmp",
    "/var/run", "/usr/local", "/usr/bin", "/usr/lib", "/etc/ssl", "/etc/ssl/certs"};

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool covers(const MountPlan& plan, const std::string& path) {
  const auto hides = [&](const std::string& directory) { return is_below(path, directory); };
  return std::any_of(plan.covered.begin(), plan.covered.end(), hides) ||
         std::any_of(plan.tmpfs.begin(), plan.tmpfs.end(), hides);
}

}  // namespace

bool is_shared_directory(std::string_view directory) {
  return std::find(shared_directories.begin(), shared_directories.end(), directory) !=
         shared_directories.end();
}

Result<MountPlan> make_mount_plan(const std::vector<FoundSecret>& secrets, const std::string& home,
                                  const std::vector<MountEntry>& mounts) {
  MountPlan plan;
  plan.secrets = secrets;
  plan.tmpfs = {"/tmp", "/run"};
  if (!covers(plan, home)) plan.tmpfs.push_back(home);
  for (const FoundSecret& secret : secrets) {
    // The directory, not the file: a covered file comes back when it is rotated (a mount on a
    // removed name is detached).
    const std::string directory = secret.is_directory ? secret.path : parent_of(secret.path);
    if (is_shared_directory(directory))
      return fail(Code::denied, "hide " + secret.path + ": it lies directly in " + directory +
                                    ", which programs need; move it into a directory of its own");
    if (is_below(home, directory))
      return fail(Code::denied,
                  "hide " + secret.path + ": its directory holds the program's home " + home);
    if (!covers(plan, directory)) plan.covered.push_back(directory);
  }
  for (const FoundSecret& secret : secrets)
    for (const std::string& alias : aliases_of(mounts, secret.path))
      if (!covers(plan, alias))
        return fail(Code::denied, "hide " + secret.path + ": the same file is also visible as " +
                                      alias + "; unmount that, or hide it too with --hide " +
                                      alias);
  return plan;
}

}  // namespace keyward::isolation
