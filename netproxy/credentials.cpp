#include "netproxy/credentials.hpp"

#include <algorithm>

#include "base/crypto.hpp"
#include "netproxy/policy/glob.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::string_view key_id_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::string_view secret_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Both alphabets have a power of two of letters, so that a byte's low bits choose without bias.
std::string random_text(std::size_t size, std::string_view alphabet) {
  std::string text = random_bytes(size);
  for (char& c : text) c = alphabet[static_cast<unsigned char>(c) % alphabet.size()];
  return text;
}

bool binds(const EndpointBinding& binding, const CredentialRequest& request) {
  return (binding.port == 0 || binding.port == request.port) &&
         host_matches(binding.host, request.host) &&
         (binding.path.empty() || path_matches(binding.path, request.path));
}

// Exact hosts before patterns, then longer hosts, then longer paths.
std::size_t specificity(const EndpointBinding& binding) {
  const std::size_t exact = binding.host.find('*') == std::string::npos ? 1'000'000 : 0;
  return exact + binding.host.size() * 1'000 + std::min<std::size_t>(binding.path.size(), 999);
}

std::optional<std::size_t> best_binding(const BoundAwsCredentials& credentials,
                                        const CredentialRequest& request) {
  std::optional<std::size_t> best;
  for (const EndpointBinding& binding : credentials.bindings)
    if (binds(binding, request)) best = std::max(best.value_or(0), specificity(binding));
  return best;
}

}  // namespace

BoundAwsCredentials BoundAwsCredentials::clone() const {
  return {provider, bindings, keys.clone(), expires, missing};
}

std::optional<Credentials> without_old_keys(const Credentials& credentials, TimePoint now) {
  const auto is_old = [&](const DerivedKey& key) { return key.validity.not_after <= now; };
  const auto has_old = [&](const BoundAwsCredentials& bound) {
    return std::any_of(bound.keys.derived_keys.begin(), bound.keys.derived_keys.end(), is_old);
  };
  if (std::none_of(credentials.aws.begin(), credentials.aws.end(), has_old)) return std::nullopt;
  Credentials rest;
  for (const BoundAwsCredentials& bound : credentials.aws) {
    rest.aws.push_back(bound.clone());
    std::erase_if(rest.aws.back().keys.derived_keys, is_old);
  }
  return rest;
}

Placeholder make_placeholder() {
  std::string letters = random_text(40, secret_alphabet);
  return {"AKIA" + random_text(16, key_id_alphabet), Secret::take(letters)};
}

Result<const BoundAwsCredentials*> select_aws(const Credentials& credentials,
                                              const CredentialRequest& request, TimePoint now) {
  const BoundAwsCredentials* chosen = nullptr;
  std::size_t best = 0;
  bool ambiguous = false;
  for (const BoundAwsCredentials& candidate : credentials.aws) {
    if (!request.provider.empty() && candidate.provider != request.provider) continue;
    const auto fit = best_binding(candidate, request);
    if (!fit) continue;
    if (chosen != nullptr && *fit < best) continue;
    ambiguous = chosen != nullptr && *fit == best;
    chosen = &candidate;
    best = *fit;
  }
  const std::string where = std::string(request.host) + ":" + std::to_string(request.port);
  if (chosen == nullptr) return fail(Code::not_found, "no AWS credentials are bound to " + where);
  if (ambiguous)
    return fail(Code::denied, "several AWS credentials are bound to " + where +
                                  "; name one with credential_binding");
  if (!chosen->missing.empty())
    return fail(Code::unavailable,
                "the AWS credentials of " + chosen->provider + ": " + chosen->missing);
  if (chosen->expires && now >= *chosen->expires)
    return fail(Code::unavailable, "the AWS credentials of " + chosen->provider + " have expired");
  return chosen;
}

}  // namespace keyward::netproxy
