#include "gateway/certgen.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>

#include "base/crypto.hpp"

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "gateway/x509.hpp"
#include "identity/jwt/keys.hpp"

namespace keyward::gateway {
namespace {

constexpr std::chrono::hours day{24};
constexpr auto authority_life = day * 3650, leaf_life = day * 730;
constexpr std::chrono::hours backdated{1};

constexpr std::array<const char*, 10> all_files = {
    "ca.crt",         "ca.key",          "server/tls.crt", "server/tls.key", "client/tls.crt",
    "client/tls.key", "jwt/signing.pem", "jwt/public.pem", "jwt/kid",        "store.key"};

bool is_public(std::string_view name) {
  return name.ends_with(".crt") || name == "jwt/public.pem" || name == "jwt/kid";
}

std::vector<std::string> server_names(const CertgenOptions& options) {
  std::vector<std::string> names = {"localhost", "127.0.0.1", "::1"};
  names.insert(names.end(), options.server_names.begin(), options.server_names.end());
  return names;
}

std::vector<std::string> missing_files(const std::string& directory) {
  std::vector<std::string> missing;
  for (const char* name : all_files)
    if (::access((directory + "/" + name).c_str(), F_OK) != 0) missing.emplace_back(name);
  return missing;
}

CertificateSpec server_spec(const CertgenOptions& options, TimePoint now) {
  return {"keyward-gateway",     "",
          server_names(options), CertificateSpec::Kind::server,
          now - backdated,       now + leaf_life};
}

Result<std::map<std::string, Secret>> make_everything(const CertgenOptions& options,
                                                      TimePoint now) {
  TRY_ASSIGN(const Certified ca, certify({"Keyward gateway CA",
                                          "",
                                          {},
                                          CertificateSpec::Kind::authority,
                                          now - backdated,
                                          now + authority_life},
                                         nullptr));
  TRY_ASSIGN(const Certified server, certify(server_spec(options, now), &ca));
  TRY_ASSIGN(const Certified client, certify({"openshell-client",
                                              "openshell-sandbox",
                                              {},
                                              CertificateSpec::Kind::client,
                                              now - backdated,
                                              now + leaf_life},
                                             &ca));
  const identity::SigningKey key = identity::generate_signing_key();
  std::map<std::string, Secret> files;
  files.emplace("ca.crt", Secret(ca.certificate_pem));
  files.emplace("ca.key", ca.key_pem.clone());
  files.emplace("server/tls.crt", Secret(server.certificate_pem));
  files.emplace("server/tls.key", server.key_pem.clone());
  files.emplace("client/tls.crt", Secret(client.certificate_pem));
  files.emplace("client/tls.key", client.key_pem.clone());
  files.emplace("jwt/signing.pem", identity::private_key_pem(key));
  files.emplace("jwt/public.pem", Secret(identity::public_key_pem(key.public_key)));
  files.emplace("jwt/kid", Secret(key.kid + "\n"));
  files.emplace("store.key", Secret(hex(as_bytes(random_bytes(32))) + "\n"));
  return files;
}

// Staged in a directory beside and renamed, so that a crash leaves all or nothing.
Result<> write_everything(const std::string& directory,
                          const std::map<std::string, Secret>& files) {
  const std::string staged = directory + ".new-" + hex(as_bytes(random_bytes(4)));
  for (const char* part : {"", "/server", "/client", "/jwt"})
    if (::mkdir((staged + part).c_str(), 0700) != 0) return fail_errno("certgen: " + staged + part);
  for (const auto& [name, content] : files)
    TRY(create_file(staged + "/" + name, content.reveal(), is_public(name) ? 0644 : 0600));
  if (::rmdir(directory.c_str()) != 0 && errno != ENOENT)
    return fail_errno("certgen: " + directory +
                      " holds other files; give an empty or a new directory");
  if (::rename(staged.c_str(), directory.c_str()) != 0)
    return fail_errno("certgen: rename to " + directory);
  return {};
}

Result<std::vector<std::string>> renew_server(const CertgenOptions& options, TimePoint now) {
  const std::string& directory = options.output_directory;
  TRY_ASSIGN(const std::string current, read_file(directory + "/server/tls.crt"));
  TRY_ASSIGN(const auto missing, missing_names(current, server_names(options)));
  if (missing.empty()) return std::vector<std::string>{directory + ": complete; nothing to do"};
  std::string list;
  for (const std::string& name : missing) list += (list.empty() ? "" : ", ") + name;
  if (!options.dry_run) {
    Certified ca;
    TRY_ASSIGN(ca.certificate_pem, read_file(directory + "/ca.crt"));
    TRY_ASSIGN(ca.key_pem, read_secret_file(directory + "/ca.key"));
    TRY_ASSIGN(const Certified server, certify(server_spec(options, now), &ca));
    TRY(replace_file(directory + "/server/tls.key", server.key_pem.reveal(), 0600));
    TRY(replace_file(directory + "/server/tls.crt", server.certificate_pem, 0644));
  }
  return std::vector<std::string>{"server certificate " +
                                  std::string(options.dry_run ? "would be" : "was") +
                                  " made anew for " + list + ", under the same CA"};
}

}  // namespace

Result<std::vector<std::string>> run_certgen(const CertgenOptions& options, TimePoint now) {
  const std::string& directory = options.output_directory;
  const std::vector<std::string> missing = missing_files(directory);
  if (missing.empty()) return renew_server(options, now);
  if (missing.size() < all_files.size()) {
    std::string list;
    for (const std::string& name : missing) list += (list.empty() ? "" : ", ") + name;
    return fail(Code::denied, "certgen: " + directory + " is incomplete: " + list +
                                  " missing; restore it, or move the directory away");
  }
  if (options.dry_run)
    return std::vector<std::string>{
        directory +
        ": would make a CA, a server and a client certificate, JWT keys and a store key"};
  TRY_ASSIGN(const auto files, make_everything(options, now));
  TRY(write_everything(directory, files));
  return std::vector<std::string>{directory + ": made ca, server, client, jwt and store.key"};
}

}  // namespace keyward::gateway
