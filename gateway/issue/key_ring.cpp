#include "gateway/issue/key_ring.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/unique_fd.hpp"
#include "gateway/token_limits.hpp"
#include "identity/jwt/sandbox_token.hpp"

namespace keyward::gateway {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds shortest_interval{1};

struct RetiredKey {
  identity::VerifyingKey key;
  TimePoint retired;
  std::string path;
};

Result<TimePoint> written(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return fail_errno(path);
  return TimePoint(std::chrono::seconds(status.st_mtim.tv_sec));
}

Result<RetiredKey> read_retired(const std::string& path) {
  TRY_ASSIGN(const std::string pem, read_file(path));
  auto public_key = identity::parse_public_key_pem(pem);
  if (!public_key) return fail_at(path, std::move(public_key).error());
  auto key = PublicKey::ed25519(*public_key);
  if (!key) return fail_at(path, std::move(key).error());
  RetiredKey retired{{identity::key_id(*public_key), std::move(*key)}, {}, path};
  if (retired.key.kid != fs::path(path).stem().string())
    return fail(Code::invalid, path + ": is not the key " + fs::path(path).stem().string() +
                                   "; a retired key's file is named after its key id");
  TRY_ASSIGN(retired.retired, written(path));
  return retired;
}

Result<std::vector<RetiredKey>> read_all_retired(const std::string& directory) {
  std::vector<RetiredKey> keys;
  std::error_code error;
  fs::directory_iterator entries(directory + "/retired", error);
  if (error == std::errc::no_such_file_or_directory) return keys;
  if (error) return fail(Code::io, directory + "/retired: " + error.message());
  std::vector<std::string> paths;
  for (const fs::directory_entry& entry : entries)
    if (entry.path().extension() == ".pem") paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    TRY_ASSIGN(RetiredKey key, read_retired(path));
    keys.push_back(std::move(key));
  }
  return keys;
}

Result<identity::SigningKey> read_current(const std::string& directory) {
  const std::string path = directory + "/signing.pem";
  TRY_ASSIGN(const Secret pem, read_secret_file(path));
  auto key = identity::parse_private_key_pem(pem.reveal());
  if (!key) return fail_at(path, std::move(key).error());
  return std::move(*key);
}

// public.pem and kid are the current key's, or those of a retired one: a rotation was interrupted
// there.  Anything else is a directory whose tokens nobody else could verify.
Result<> check_published(const std::string& directory, const identity::SigningKey& current,
                         const std::vector<RetiredKey>& retired) {
  TRY_ASSIGN(const std::string pem, read_file(directory + "/public.pem"));
  const auto public_key = identity::parse_public_key_pem(pem);
  if (!public_key) return fail_at(directory + "/public.pem", public_key.error());
  TRY_ASSIGN(const std::string kid_file, read_file(directory + "/kid"));
  const auto known = [&](const std::string& kid) {
    return kid == current.kid || std::any_of(retired.begin(), retired.end(),
                                             [&](const auto& old) { return old.key.kid == kid; });
  };
  if (known(identity::key_id(*public_key)) && known(std::string(trim(kid_file)))) return {};
  return fail(Code::invalid, directory +
                                 ": signing.pem, public.pem and kid do not belong together; "
                                 "restore them, or make new ones: gateway keys rotate");
}

Result<std::shared_ptr<const TokenKeys>> read_keys(const std::string& directory,
                                                   std::chrono::seconds token_life, TimePoint now) {
  auto keys = std::make_shared<TokenKeys>();
  TRY_ASSIGN(keys->current, read_current(directory));
  TRY_ASSIGN(const std::vector<RetiredKey> retired, read_all_retired(directory));
  TRY(check_published(directory, keys->current, retired));
  keys->verifying.push_back(keys->current.verifying_key());
  for (const RetiredKey& old : retired)
    if (now < old.retired + token_life + identity::clock_leeway && old.key.kid != keys->current.kid)
      keys->verifying.push_back(old.key);
  return keys;
}

bool same(const TokenKeys& a, const TokenKeys& b) {
  return std::equal(a.verifying.begin(), a.verifying.end(), b.verifying.begin(), b.verifying.end(),
                    [](const auto& left, const auto& right) { return left.kid == right.kid; });
}

Result<UniqueFd> lock_directory(const std::string& directory) {
  UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno(directory);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(Code::unavailable, directory + ": another rotation is under way");
  return fd;
}

}  // namespace

KeyRing::KeyRing(identity::SigningKey only) {
  auto keys = std::make_shared<TokenKeys>();
  keys->verifying.push_back(only.verifying_key());
  keys->current = std::move(only);
  keys_.set(std::move(keys));
}

Result<std::unique_ptr<KeyDirectory>> KeyDirectory::open(std::string directory,
                                                         std::chrono::seconds token_life,
                                                         TimePoint now) {
  TRY_ASSIGN(auto keys, read_keys(directory, token_life, now));
  return std::unique_ptr<KeyDirectory>(
      new KeyDirectory(std::move(directory), token_life, std::move(keys)));
}

Result<bool> KeyDirectory::reload(TimePoint now) {
  const std::lock_guard lock(mutex_);
  looked_ = now;
  TRY_ASSIGN(auto fresh, read_keys(directory_, token_life_, now));
  if (same(*fresh, *keys_.get())) return false;
  keys_.set(std::move(fresh));
  return true;
}

void KeyDirectory::look_again(TimePoint now) {
  {
    const std::lock_guard lock(mutex_);
    // A clock that was set back must not stop this for long.
    if (now >= looked_ && now < looked_ + shortest_interval) return;
  }
  (void)reload(now);  // an error is told by whoever reloads in turn
}

Result<std::vector<KeyInfo>> list_keys(const std::string& directory) {
  TRY_ASSIGN(const identity::SigningKey current, read_current(directory));
  TRY_ASSIGN(const std::vector<RetiredKey> retired, read_all_retired(directory));
  TRY_ASSIGN(const TimePoint since, written(directory + "/signing.pem"));
  std::vector<KeyInfo> list = {{current.kid, true, since}};
  for (const RetiredKey& old : retired)
    if (old.key.kid != current.kid) list.push_back({old.key.kid, false, old.retired});
  return list;
}

Result<std::string> rotate_keys(const std::string& directory, TimePoint now) {
  TRY_ASSIGN(const UniqueFd lock, lock_directory(directory));
  TRY_ASSIGN(const identity::SigningKey old, read_current(directory));
  const std::string retired = directory + "/retired";
  if (::mkdir(retired.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno(retired);
  TRY(replace_file(retired + "/" + old.kid + ".pem", identity::public_key_pem(old.public_key),
                   0644));
  const identity::SigningKey fresh = identity::generate_signing_key();
  TRY(replace_file(directory + "/signing.pem", identity::private_key_pem(fresh).reveal(), 0600));
  TRY(replace_file(directory + "/public.pem", identity::public_key_pem(fresh.public_key), 0644));
  TRY(replace_file(directory + "/kid", fresh.kid, 0644));
  TRY_ASSIGN(const std::vector<RetiredKey> all, read_all_retired(directory));
  for (const RetiredKey& key : all)
    if (now > key.retired + longest_token_life + identity::clock_leeway &&
        ::unlink(key.path.c_str()) != 0)
      return fail_errno(key.path);
  return fresh.kid;
}

}  // namespace keyward::gateway
