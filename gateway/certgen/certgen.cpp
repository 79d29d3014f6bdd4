#include "gateway/certgen/certgen.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "gateway/certgen/bundle.hpp"
#include "gateway/certgen/certificates.hpp"
#include "gateway/certgen/staging.hpp"
#include "identity/jwt/keys.hpp"

namespace keyward::gateway {
namespace {

struct Group {
  const char* label;
  std::vector<std::string> files;
};
const Group tls_group{
    "TLS",
    {"ca.crt", "ca.key", "server/tls.crt", "server/tls.key", "client/tls.crt", "client/tls.key"}};
const Group jwt_group{"token key", {"jwt/signing.pem", "jwt/public.pem", "jwt/kid"}};
const Group store_group{"store key", {"store.key"}};

enum class Presence { none, whole };

bool exists(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

Result<Presence> presence_of(const std::string& directory, const Group& group) {
  std::string missing;
  std::size_t absent = 0;
  for (const std::string& file : group.files) {
    if (exists(directory + "/" + file)) continue;
    missing += " " + file;
    ++absent;
  }
  if (absent == 0) return Presence::whole;
  if (absent == group.files.size()) return Presence::none;
  return fail(Code::invalid, directory + ": incomplete " + group.label + " files, missing:" +
                                 missing + "; restore them, or remove the others and run again");
}

void take(std::vector<StagedFile>& files, const std::string& certificate, const std::string& key,
          CertifiedKey pair) {
  files.push_back({certificate, Secret(pair.certificate_pem), false});
  files.push_back({key, std::move(pair.key_pem), true});
}

Result<> add_tls(std::vector<StagedFile>& files, const std::vector<std::string>& names,
                 TimePoint now) {
  TRY_ASSIGN(TlsBundle made, make_tls_bundle(names, now));
  take(files, "ca.crt", "ca.key", std::move(made.ca));
  take(files, "server/tls.crt", "server/tls.key", std::move(made.server));
  take(files, "client/tls.crt", "client/tls.key", std::move(made.client));
  return {};
}

void add_jwt(std::vector<StagedFile>& files) {
  const identity::SigningKey key = identity::generate_signing_key();
  files.push_back({"jwt/signing.pem", identity::private_key_pem(key), true});
  files.push_back({"jwt/public.pem", Secret(identity::public_key_pem(key.public_key)), false});
  files.push_back({"jwt/kid", Secret(key.kid), false});
}

Result<CertifiedKey> read_ca(const std::string& directory) {
  CertifiedKey ca;
  TRY_ASSIGN(ca.certificate_pem, read_file(directory + "/ca.crt"));
  TRY_ASSIGN(ca.key_pem, read_secret_file(directory + "/ca.key"));
  return ca;
}

bool is_user_name(std::string_view name) {
  return !name.empty() && name.size() <= 63 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                  c == '_' || c == '@';
         });
}

// By the CA that is there; never in the place of another certificate.
Result<std::vector<std::string>> generate_user(const CertgenOptions& options, TimePoint now) {
  if (!is_user_name(options.user))
    return fail(Code::invalid, "--user: lower-case letters, digits, - . _ @, at most 63");
  TRY_ASSIGN(const CertifiedKey ca, read_ca(options.output_dir));
  const std::string_view unit = options.user_is_admin ? admin_unit : user_unit;
  TRY_ASSIGN(CertifiedKey user, make_client(ca, {options.user, {std::string(unit)}}, now));
  const std::string directory = "users/" + options.user;
  const std::string certificate = directory + "/tls.crt", key = directory + "/tls.key";
  std::vector<StagedFile> files;
  take(files, certificate, key, std::move(user));
  std::optional<Staging> staging;
  if (!options.dry_run) {
    TRY_ASSIGN(staging, Staging::open(options.output_dir));
  }
  for (const StagedFile& file : files)
    if (exists(options.output_dir + "/" + file.path))
      return fail(Code::exists, options.output_dir + "/" + file.path + ": is there already");
  if (staging) {
    TRY(staging->stage(files));
    TRY(staging->move_in());
  }
  return std::vector<std::string>{"create " + certificate, "create " + key};
}

Result<> add_server(std::vector<StagedFile>& files, const std::string& directory,
                    const std::vector<std::string>& names, TimePoint now) {
  TRY_ASSIGN(const CertifiedKey ca, read_ca(directory));
  TRY_ASSIGN(CertifiedKey server, make_server(ca, names, now));
  take(files, "server/tls.crt", "server/tls.key", std::move(server));
  return {};
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

class Generator {
 public:
  Generator(const CertgenOptions& options, TimePoint now) : options_(options), now_(now) {}

  Result<std::vector<std::string>> run() {
    TRY_ASSIGN(names_, all_server_names(options_.server_names));
    std::optional<Staging> staging;
    if (!options_.dry_run) {
      TRY_ASSIGN(staging, Staging::open(options_.output_dir));
    }
    TRY(plan(jwt_group, [this]() -> Result<> {
      add_jwt(files_);
      return {};
    }));
    if (!options_.jwt_only) {
      TRY(plan(tls_group, [this] { return add_tls(files_, names_, now_); }));
      TRY(plan(store_group, [this]() -> Result<> {
        files_.push_back({"store.key", Secret(hex(as_bytes(random_bytes(32)))), true});
        return {};
      }));
      TRY(plan_names());
    }
    if (staging && !files_.empty()) {
      TRY(staging->stage(files_));
      TRY(staging->move_in());
    }
    return std::move(lines_);
  }

 private:
  template <class Make>
  Result<> plan(const Group& group, Make make) {
    TRY_ASSIGN(const Presence presence, presence_of(options_.output_dir, group));
    const char* verb = presence == Presence::whole ? "keep" : "create";
    for (const std::string& file : group.files) lines_.push_back(std::string(verb) + " " + file);
    return presence == Presence::whole ? Result<>() : make();
  }

  Result<> plan_names() {
    const std::string path = options_.output_dir + "/server/tls.crt";
    if (!exists(path)) return {};
    TRY_ASSIGN(const std::string certificate, read_file(path));
    TRY_ASSIGN(const std::vector<std::string> present, subject_names(certificate));
    std::vector<std::string> missing;
    std::copy_if(names_.begin(), names_.end(), std::back_inserter(missing), [&](const auto& name) {
      return std::find(present.begin(), present.end(), name) == present.end();
    });
    if (missing.empty()) return {};
    for (const std::string& name : present)
      add_server_name(names_, name);  // what it was good for stays
    lines_.push_back("re-issue server/tls.crt (same CA), for: " + joined(missing));
    return add_server(files_, options_.output_dir, names_, now_);
  }

  const CertgenOptions& options_;
  TimePoint now_;
  std::vector<std::string> names_, lines_;
  std::vector<StagedFile> files_;
};

}  // namespace

Result<std::vector<std::string>> generate_files(const CertgenOptions& options, TimePoint now) {
  return options.user.empty() ? Generator(options, now).run() : generate_user(options, now);
}

}  // namespace keyward::gateway
