#include "identity/grant/binding.hpp"

#include <algorithm>
#include <map>

namespace keyward::identity {
namespace {

Result<> check_one(const GrantBinding& binding) {
  if (Result<> checked = check_selector(binding.where); !checked)
    return fail_at(binding.identity, checked.error());
  if (Result<> checked = check_grant(binding.grant); !checked)
    return fail_at(binding.identity, checked.error());
  if (gives_keys(binding.grant) && binding.inject != Injection())
    return fail(Code::invalid, binding.identity + ": keys go into no header of their own");
  return {};
}

// Sorted by specificity, so that equals stand together.
Result<> check_ambiguity(const std::vector<GrantBinding>& sorted) {
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    for (std::size_t j = i + 1; j < sorted.size(); ++j) {
      const GrantBinding &a = sorted[i], &b = sorted[j];
      if (specificity_of(a.where) != specificity_of(b.where)) break;
      if (a.inject.header == b.inject.header && overlaps(a.where, b.where))
        return fail(Code::invalid, "token grants " + a.identity + " and " + b.identity +
                                       " are both bound to requests for " + a.where.host +
                                       " with the header " + a.inject.header +
                                       ", and neither is more specific");
    }
  }
  return {};
}

// A service that gets a raw JWT-SVID is told from others by its audience alone.  The places of one
// credential are one service: whoever wrote it says so.
Result<> check_raw_svids(const std::vector<GrantBinding>& bindings) {
  std::map<std::string, const GrantBinding*> services;  // by audience
  for (const GrantBinding& binding : bindings) {
    if (binding.grant.kind != GrantKind::raw_svid) continue;
    const auto [found, added] = services.emplace(binding.grant.svid_audience, &binding);
    const GrantBinding& other = *found->second;
    const bool elsewhere =
        other.where.host != binding.where.host || other.where.port != binding.where.port;
    if (!added && elsewhere && other.identity != binding.identity)
      return fail(Code::invalid,
                  "token grants " + other.identity + " and " + binding.identity +
                      " send a raw JWT-SVID with the audience " + binding.grant.svid_audience +
                      " to " + other.where.host + " and to " + binding.where.host +
                      ": one of the two could use it at the other; give each an audience of its "
                      "own");
  }
  return {};
}

GrantOverride completed(const GrantOverride& given, const Selector& endpoint) {
  GrantOverride complete = given;
  if (complete.where.host.empty()) complete.where.host = endpoint.host;
  if (complete.where.port == 0) complete.where.port = endpoint.port;
  if (complete.where.path.empty()) complete.where.path = endpoint.path;
  return complete;
}

GrantBinding overridden(const GrantBinding& defaults, const GrantOverride& by) {
  GrantBinding binding = defaults;
  binding.where = by.where;
  if (!by.audience.empty()) binding.grant.audience = {by.audience};
  if (!by.scopes.empty()) binding.grant.scopes = by.scopes;
  return binding;
}

// The labels behind the last one that has a star.
std::string_view fixed_end(std::string_view pattern) {
  const std::string_view behind = pattern.substr(pattern.rfind('*') + 1);
  const auto dot = behind.find('.');
  return dot == std::string_view::npos ? std::string_view() : behind.substr(dot + 1);
}

// Keys of others than those that the policy names are not bound there.
bool may_sign(const GrantBinding& binding, const RequestTarget& target) {
  return !gives_keys(binding.grant) || target.signer.empty() ||
         provider_of(binding) == target.signer;
}

}  // namespace

std::string_view provider_of(const GrantBinding& binding) {
  return std::string_view(binding.identity).substr(0, binding.identity.find(':'));
}

Result<BindingTable> BindingTable::build(std::vector<GrantBinding> bindings) {
  std::vector<const Grant*> grants;
  for (GrantBinding& binding : bindings) {
    TRY(check_one(binding));
    grants.push_back(&binding.grant);
    binding.key = cache_key(binding.grant);
  }
  TRY(check_audiences_apart(grants));
  TRY(check_raw_svids(bindings));
  std::stable_sort(bindings.begin(), bindings.end(), [](const auto& a, const auto& b) {
    return specificity_of(a.where) > specificity_of(b.where);
  });
  TRY(check_ambiguity(bindings));
  BindingTable table;
  table.bindings_ = std::move(bindings);
  for (std::size_t i = 0; i < table.bindings_.size(); ++i) {
    const std::string& host = table.bindings_[i].where.host;
    const bool pattern = host.find('*') != std::string::npos;
    (pattern ? table.patterns_[std::string(fixed_end(host))] : table.exact_[host]).push_back(i);
  }
  return table;
}

// All that could select the host, the most specific first.
BindingTable::Places BindingTable::candidates(std::string_view host) const {
  Places places;
  if (const auto exact = exact_.find(host); exact != exact_.end()) places = exact->second;
  for (std::string_view end = host; !patterns_.empty() && !end.empty();) {
    if (const auto found = patterns_.find(end); found != patterns_.end())
      places.insert(places.end(), found->second.begin(), found->second.end());
    const auto dot = end.find('.');
    end = dot == std::string_view::npos ? std::string_view() : end.substr(dot + 1);
  }
  std::sort(places.begin(), places.end());
  return places;
}

bool BindingTable::binds(std::string_view host, std::uint16_t port) const {
  const Places places = candidates(host);
  return std::any_of(places.begin(), places.end(), [&](std::size_t place) {
    const Selector& where = bindings_[place].where;
    return selects({where.host, where.port, ""}, {host, port, "/"});
  });
}

Result<std::vector<const GrantBinding*>> BindingTable::select(const RequestTarget& target,
                                                              bool tls) const {
  std::vector<const GrantBinding*> chosen;
  for (const std::size_t place : candidates(target.host)) {
    const GrantBinding& binding = bindings_[place];
    const bool taken = std::any_of(chosen.begin(), chosen.end(), [&](const GrantBinding* each) {
      return each->inject.header == binding.inject.header;
    });
    if (taken || !selects(binding.where, target) || !may_sign(binding, target)) continue;
    if (!tls && !binding.cleartext)
      return fail(Code::denied, "the token of " + binding.identity +
                                    " is not sent in clear text; use https:// for this endpoint");
    chosen.push_back(&binding);
  }
  return chosen;
}

Result<std::vector<GrantBinding>> expand_overrides(const GrantBinding& defaults,
                                                   const std::vector<Selector>& endpoints,
                                                   const std::vector<GrantOverride>& overrides) {
  std::vector<GrantBinding> bindings;
  std::vector<bool> used(overrides.size());
  for (const Selector& endpoint : endpoints) {
    GrantBinding plain = defaults;
    plain.where = endpoint;
    bool replaced = false;
    for (std::size_t i = 0; i < overrides.size(); ++i) {
      const GrantOverride complete = completed(overrides[i], endpoint);
      if (!is_within(complete.where, endpoint)) continue;
      used[i] = true;
      replaced = replaced || complete.where == endpoint;
      bindings.push_back(overridden(defaults, complete));
    }
    if (!replaced) bindings.push_back(std::move(plain));
  }
  if (const auto unused = std::find(used.begin(), used.end(), false); unused != used.end())
    return fail(Code::invalid,
                defaults.identity + ": an override for " +
                    overrides[static_cast<std::size_t>(unused - used.begin())].where.host +
                    " lies within none of the endpoints");
  return bindings;
}

}  // namespace keyward::identity
