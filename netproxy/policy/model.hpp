#pragma once
// The policy as it is written: plain values, one struct per level of the YAML (docs/POLICY.md),
// also the form in which the gateway stores and delivers it.  `compile`
// (netproxy/policy/policy.hpp) turns it into what the proxy asks.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace keyward::netproxy {

struct RuleModel {     // rules: - allow: {method, path}   and   deny_rules: - {method, path}
  std::string method;  // upper case, or "*"
  std::string path;    // glob: `*` and `**` cross '/', `?`, `[..]`
  bool operator==(const RuleModel&) const = default;
};

enum class Access { unset, read_only, read_write, full };
enum class Enforcement { enforce, audit };  // absent means enforce
enum class Protocol { unset, tcp, rest };
enum class TlsMode { automatic, skip };  // skip: the tunnel is passed on unopened
enum class CredentialSigning {
  none,
  sigv4,          // the payload as the client declares it
  sigv4_body,     // the body must be covered by the client's hash or by signed chunks
  sigv4_no_body,  // UNSIGNED-PAYLOAD instead of the client's hash
  sigv4a          // ECDSA signatures for a set of regions
};
struct CredentialSigningName {
  CredentialSigning value;
  const char* text;
};
constexpr CredentialSigningName credential_signings[] = {
    {CredentialSigning::sigv4, "sigv4"},
    {CredentialSigning::sigv4_body, "sigv4:body"},
    {CredentialSigning::sigv4_no_body, "sigv4:no_body"},
    {CredentialSigning::sigv4a, "sigv4a"}};

struct EndpointModel {
  std::string host;                  // lower case; `*` one label, `**` leading labels
  std::vector<std::uint16_t> ports;  // never empty
  Protocol protocol = Protocol::unset;
  TlsMode tls = TlsMode::automatic;
  Enforcement enforcement = Enforcement::enforce;
  Access access = Access::unset;  // exclusive with rules
  std::vector<RuleModel> rules;
  std::vector<RuleModel> deny_rules;     // win over everything that allows
  std::vector<std::string> allowed_ips;  // CIDR or address; may open private ranges, never
                                         // loopback, link-local, metadata
  bool allow_encoded_slash = false;
  std::string path;  // glob that selects among endpoints of one host and port; empty = all
  CredentialSigning credential_signing = CredentialSigning::none;
  std::string signing_service;      // required with credential_signing
  std::string signing_region;       // empty: from the client's credential scope or the host
  std::string credential_provider;  // credential_binding.provider; empty = any that is bound to the
                                    // endpoint
  bool operator==(const EndpointModel&) const = default;
};

struct NetworkPolicyModel {
  std::string key;   // the name in network_policies
  std::string name;  // optional display name
  std::vector<EndpointModel> endpoints;
  std::vector<std::string> binaries;  // path globs; empty = any program
  bool operator==(const NetworkPolicyModel&) const = default;
};

struct FilesystemModel {
  bool include_workdir = false;
  std::vector<std::string> read_only, read_write;  // absolute paths for Landlock
  bool operator==(const FilesystemModel&) const = default;
};

struct PolicyModel {
  std::uint32_t version = 1;
  FilesystemModel filesystem;
  bool landlock_best_effort =
      false;  // landlock.compatibility; Keyward's default is hard_requirement
  std::string run_as_user, run_as_group;             // process
  std::vector<NetworkPolicyModel> network_policies;  // in the order of the file
  bool operator==(const PolicyModel&) const = default;
};

// What is laid down when the program starts, and cannot change while it runs.
inline bool same_static_part(const PolicyModel& a, const PolicyModel& b) {
  return a.filesystem == b.filesystem && a.landlock_best_effort == b.landlock_best_effort &&
         a.run_as_user == b.run_as_user && a.run_as_group == b.run_as_group;
}

}  // namespace keyward::netproxy
