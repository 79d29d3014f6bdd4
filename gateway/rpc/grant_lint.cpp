#include "gateway/rpc/grant_lint.hpp"

#include <set>

#include "base/bytes.hpp"
#include "gateway/rpc/grants.hpp"
#include "identity/grant/metadata.hpp"
#include "identity/grant/transport.hpp"
#include "identity/rpc/grant_wire.hpp"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
using Endpoint = openshell::sandbox::v1::NetworkEndpoint;

constexpr std::uint32_t http_port = 80;

bool is_transport_word(const std::string& word) {
  return word.empty() || word == "loopback" || word == "cluster";
}

identity::TransportRules rules_of(const std::string& word) {
  identity::TransportRules rules;
  rules.loopback = word == "loopback";
  rules.cluster_cleartext = word == "cluster";
  return rules;
}

std::vector<std::uint32_t> ports_of(const Endpoint& endpoint) {
  if (endpoint.ports().empty()) return {endpoint.port()};
  return {endpoint.ports().begin(), endpoint.ports().end()};
}

Result<identity::Injection> inject_of(const v1::ProviderProfileCredential& credential) {
  return identity::read_injection(credential.auth_style(), credential.header_name());
}

bool is_keys(const v1::ProviderProfileCredential& credential) {
  return credential.token_grant().grant_type() ==
         identity::to_string(identity::GrantKind::aws_web_identity);
}

class GrantLinter {
 public:
  GrantLinter(const v1::ProviderProfile& profile, const SayProblem& say)
      : profile_(profile), say_(say) {}

  void look_at(const v1::ProviderProfileCredential& credential) {
    const std::string field = "credentials." + std::string(utf8_prefix(credential.name(), 64));
    look_around(credential, field);
    const auto& wire = credential.token_grant();
    look_at_server(wire, field + ".token_grant");
    look_at_subject(credential, field + ".token_grant");
    for (const Endpoint& endpoint : profile_.endpoints()) look_at(endpoint, credential);
    look_at_bindings(credential, field);
  }

 private:
  void hold(const std::string& field, const Result<>& checked) {
    if (!checked) say_(field, checked.error().what);
  }

  // What does not go with a grant in one credential.
  void look_around(const v1::ProviderProfileCredential& credential, const std::string& field) {
    if (!credential.env_vars().empty())
      say_(field + ".env_vars", "a granted token is in no variable; leave out one of the two");
    if (credential.has_refresh())
      say_(field + ".refresh", "a granted token is asked for anew; leave out one of the two");
    if (profile_.endpoints().empty())
      say_(field + ".token_grant", "the profile has no endpoint to which it could be bound");
  }

  void look_at_server(const v1::ProviderCredentialTokenGrant& wire, const std::string& field) {
    if (!is_transport_word(wire.http_token_endpoint()))
      say_(field + ".http_token_endpoint", "must be loopback or cluster");
    // An upstream on loopback is never dialled.
    if (!wire.cleartext_endpoints().empty() && wire.cleartext_endpoints() != "cluster")
      say_(field + ".cleartext_endpoints", "must be cluster, or left out");
    if (!wire.issuer().empty())
      hold(field + ".issuer", identity::metadata_urls(wire.issuer()).map([](const auto&) {}));
    const auto rules = rules_of(wire.http_token_endpoint());
    for (const std::string* url : {&wire.token_endpoint(), &wire.issuer()})
      if (!url->empty())
        hold(field + (url == &wire.issuer() ? ".issuer" : ".token_endpoint"),
             identity::check_token_url(*url, rules).map([](const Url&) {}));
  }

  void look_at_subject(const v1::ProviderProfileCredential& credential, const std::string& field) {
    if (!credential.token_grant().subject_version().empty())
      say_(field + ".subject_version", "is set by the gateway; leave it out");
    if (credential.token_grant().subject_credential().empty()) return;
    hold(field + ".subject_credential",
         subject_variable(profile_, credential).map([](const auto&) {}));
  }

  void look_at(const Endpoint& endpoint, const v1::ProviderProfileCredential& credential) {
    const std::string host(utf8_prefix(endpoint.host(), 253));
    if (endpoint.tls() == "skip" || endpoint.protocol() == "tcp")
      say_("endpoints", host + " is passed on unopened: no token can be put into its requests");
    const bool is_signed = !endpoint.credential_signing().empty();
    const auto inject = inject_of(credential);
    if (is_keys(credential) && !is_signed)
      say_("endpoints", host + " is not signed for (credential_signing), and the keys of " +
                            credential.name() + " are for nothing else");
    if (!is_keys(credential) && is_signed && inject && inject->header == "authorization")
      say_("endpoints", host + " is signed for in the header authorization, which " +
                            credential.name() + " would replace");
    look_at_cleartext(endpoint, credential.token_grant().cleartext_endpoints());
  }

  void look_at_cleartext(const Endpoint& endpoint, const std::string& word) {
    for (const std::uint32_t port : ports_of(endpoint)) {
      const std::string place = endpoint.host() + ":" + std::to_string(port);
      if (word.empty() && port == http_port)
        say_("endpoints", place +
                              " has no TLS, and a token is not sent in clear text; where it is "
                              "meant, cleartext_endpoints says cluster");
      if (!word.empty() && !identity::check_token_url("http://" + place + "/", rules_of(word)))
        say_("endpoints", place + " is not what cleartext_endpoints says: " + word);
    }
  }

  // By those who bind and read them: nothing passes here that a supervisor would refuse.
  void look_at_bindings(const v1::ProviderProfileCredential& credential, const std::string& field) {
    if (const auto inject = inject_of(credential); !inject)
      return say_(field + (credential.auth_style() == "header" ? ".header_name" : ".auth_style"),
                  inject.error().what);
    if (const auto read = identity::read_wire_grant(wire::from_wire(credential)); !read)
      return say_(field + ".token_grant", read.error().what);
    const auto grants = grants_of(profile_.id(), profile_, credential);
    if (!grants) return say_(field + ".token_grant.audience_overrides", grants.error().what);
    hold(field + ".token_grant.audience_overrides", check_together(*grants));
  }

  const v1::ProviderProfile& profile_;
  const SayProblem& say_;
};

}  // namespace

void lint_grants(const v1::ProviderProfile& profile, const SayProblem& say) {
  std::set<std::string> said;  // an endpoint is looked at for each credential
  const SayProblem note = [&](const std::string& field, const std::string& message) {
    if (said.insert(field + ": " + message).second) say(field, message);
  };
  GrantLinter linter(profile, note);
  for (const auto& credential : profile.credentials())
    if (credential.has_token_grant()) linter.look_at(credential);
  if (!said.empty()) return;
  const auto grants = grants_of(profile.id(), profile);
  if (!grants) return say("credentials", grants.error().what);
  if (const Result<> together = check_together(*grants); !together)
    say("credentials", together.error().what);
}

}  // namespace keyward::gateway
