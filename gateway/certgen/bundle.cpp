#include "gateway/certgen/bundle.hpp"

#include <algorithm>

namespace keyward::gateway {
namespace {

constexpr const char* default_names[] = {"openshell",
                                         "openshell.openshell.svc",
                                         "openshell.openshell.svc.cluster.local",
                                         "localhost",
                                         "openshell.localhost",
                                         "*.openshell.localhost",
                                         "host.docker.internal",
                                         "host.containers.internal",
                                         "127.0.0.1",
                                         "::1"};

}  // namespace

Result<TlsBundle> make_tls_bundle(const std::vector<std::string>& server_names, TimePoint now) {
  TlsBundle bundle;
  TRY_ASSIGN(bundle.ca, make_ca(now));
  TRY_ASSIGN(bundle.server, make_server(bundle.ca, server_names, now));
  TRY_ASSIGN(bundle.client,
             make_client(bundle.ca, {"openshell-client", {std::string(sandbox_unit)}}, now));
  return bundle;
}

void add_server_name(std::vector<std::string>& names, const std::string& name) {
  std::string canonical = canonical_subject_name(name);
  if (std::find(names.begin(), names.end(), canonical) == names.end())
    names.push_back(std::move(canonical));
}

Result<std::vector<std::string>> all_server_names(const std::vector<std::string>& more) {
  std::vector<std::string> names;
  for (const char* name : default_names) add_server_name(names, name);
  for (const std::string& name : more) add_server_name(names, name);
  for (const std::string& name : names) TRY(check_subject_name(name));
  return names;
}

}  // namespace keyward::gateway
