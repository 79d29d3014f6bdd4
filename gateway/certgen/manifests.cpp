#include "gateway/certgen/manifests.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "gateway/certgen/bundle.hpp"
#include "identity/jwt/keys.hpp"

namespace keyward::gateway {
namespace {

constexpr const char *tls_type = "kubernetes.io/tls", *opaque_type = "Opaque";

struct Name {
  const char* option;
  const std::string& value;
};

struct Entry {
  const char* key;
  std::string_view content;
};

// RFC 1123 as Kubernetes has it: lower case only.
bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

bool is_subdomain(std::string_view name) {
  if (name.size() > 253) return false;
  for (;;) {
    const auto dot = name.find('.');
    if (!is_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

Result<> check_names(const ManifestOptions& options) {
  if (options.target_namespace.empty())
    return fail(Code::invalid, "--kubernetes: needs --namespace (or POD_NAMESPACE)");
  if (!is_label(options.target_namespace))
    return fail(Code::invalid,
                "--namespace: lower-case letters, digits and inner hyphens, at most 63");
  std::vector<Name> names = {{"--jwt-secret-name", options.jwt_name}};
  if (!options.jwt_only) {
    names.push_back({"--server-secret-name", options.server_name});
    names.push_back({"--client-secret-name", options.client_name});
  }
  for (const Name& name : names) {
    if (name.value.empty())
      return fail(Code::invalid, std::string("--kubernetes: needs ") + name.option);
    if (!is_subdomain(name.value))
      return fail(Code::invalid, std::string(name.option) +
                                     ": no name of a Secret (lower-case letters, digits, inner "
                                     "hyphens and dots, at most 253)");
    const auto same = [&](const Name& other) { return other.value == name.value; };
    if (std::count_if(names.begin(), names.end(), same) != 1)
      return fail(Code::invalid, std::string(name.option) + ": another Secret has this name too");
  }
  return {};
}

// In pieces: text that grows leaves copies behind.
void append_base64(Secret& text, std::string_view bytes) {
  constexpr std::size_t piece = 48;  // a multiple of 3: no padding in between
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    std::string encoded = base64(bytes.substr(0, piece));
    text.append(Secret::take(encoded).reveal());
  }
}

class Manifests {
 public:
  explicit Manifests(const ManifestOptions& options) : options_(options) {}

  // Names are quoted, for some would be numbers.
  void add(const std::string& name, const char* type, const std::vector<Entry>& entries) {
    if (!text_.empty()) text_.append("---\n");
    text_.append("apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"" + name +
                 "\"\n  namespace: \"" + options_.target_namespace + "\"\ntype: " + type +
                 "\nimmutable: true\ndata:\n");
    for (const Entry& entry : entries) {
      text_.append("  " + std::string(entry.key) + ": ");
      append_base64(text_, entry.content);
      text_.append("\n");
    }
  }
  void add_tls(const std::string& name, const CertifiedKey& pair, const CertifiedKey& ca) {
    add(name, tls_type,
        {{"tls.crt", pair.certificate_pem},
         {"tls.key", pair.key_pem.reveal()},
         {"ca.crt", ca.certificate_pem}});
  }
  void add_jwt(const std::string& name, const identity::SigningKey& key) {
    const Secret signing = identity::private_key_pem(key);
    const std::string verifying = identity::public_key_pem(key.public_key);
    add(name, opaque_type,
        {{"signing.pem", signing.reveal()}, {"public.pem", verifying}, {"kid", key.kid}});
  }
  Secret take() { return std::move(text_); }

 private:
  const ManifestOptions& options_;
  Secret text_;
};

Secret plan(const ManifestOptions& options) {
  const auto line = [&](const std::string& name, const char* type, const char* keys) {
    return "create Secret " + options.target_namespace + "/" + name + " (" + type + "): " + keys +
           "\n";
  };
  std::string text;
  if (!options.jwt_only)
    text = line(options.server_name, tls_type, "tls.crt tls.key ca.crt") +
           line(options.client_name, tls_type, "tls.crt tls.key ca.crt");
  return Secret(text + line(options.jwt_name, opaque_type, "signing.pem public.pem kid"));
}

}  // namespace

Result<Secret> make_manifests(const ManifestOptions& options, TimePoint now) {
  TRY(check_names(options));
  TRY_ASSIGN(const auto sans, all_server_names(options.server_sans));
  if (options.dry_run) return plan(options);
  Manifests manifests(options);
  if (!options.jwt_only) {
    TRY_ASSIGN(const TlsBundle tls, make_tls_bundle(sans, now));
    manifests.add_tls(options.server_name, tls.server, tls.ca);
    manifests.add_tls(options.client_name, tls.client, tls.ca);
  }
  manifests.add_jwt(options.jwt_name, identity::generate_signing_key());
  return manifests.take();
}

}  // namespace keyward::gateway
