#include "supervisor/token_grants.hpp"

#include <mutex>

namespace keyward::supervisor {
namespace {

using identity::GrantBinding;
using identity::SandboxGrants;
using netproxy::Injection;
using netproxy::InjectionPlace;
using netproxy::InjectionPtr;

const InjectionPtr& no_injection() {
  static const InjectionPtr none = std::make_shared<const Injection>();
  return none;
}

}  // namespace

// What one request needs, which comes piece by piece and from several threads.
struct TokenGrants::Gathering {
  Gathering(TokenGrants& all, std::shared_ptr<const SandboxGrants> bindings, Done when_done)
      : owner(all), grants(std::move(bindings)), done(std::move(when_done)) {}

  // True: that was the last one.
  bool take(const GrantBinding& binding, const Result<identity::HeldTokenPtr>& held) {
    const std::lock_guard lock(mutex);
    const Result<> put = held ? put_in(binding, *held) : tl::unexpected(held.error());
    if (!put && !error) error = put.error();
    if (!injection->provider.empty()) injection->provider += ",";
    injection->provider += binding.identity;
    return --missing == 0;
  }
  bool is_last() {
    const std::lock_guard lock(mutex);
    return --missing == 0;
  }
  Result<InjectionPtr> result() {
    const std::lock_guard lock(mutex);
    if (!error && owner.grants_.get() != grants)
      error = Error{Code::unavailable, "the token grants have changed meanwhile; try again"};
    if (!error) return InjectionPtr(std::move(injection));
    owner.failures_.note(*error);
    return tl::unexpected(*error);
  }

  // With the lock held.
  Result<> put_in(const GrantBinding& binding, const identity::HeldTokenPtr& held) {
    if (held->keys) {
      // Shares the life of what holds the keys.
      injection->signer = {{held->keys, &held->keys->pair}, held->keys->expires};
      return {};
    }
    TRY_ASSIGN(identity::InjectedHeader header, write_header(binding.inject, held->token));
    injection->headers.push_back({std::move(header.name), std::move(header.value)});
    return {};
  }

  TokenGrants& owner;
  const std::shared_ptr<const SandboxGrants> grants;  // holds the bindings
  std::mutex mutex;                                   // guards what follows
  std::size_t missing = 0;
  std::shared_ptr<Injection> injection = std::make_shared<Injection>();
  std::optional<Error> error;
  const Done done;
};

namespace {

Result<std::vector<const GrantBinding*>> select_reading(const SandboxGrants& grants,
                                                        const InjectionPlace& place,
                                                        std::string_view path) {
  const identity::RequestTarget target{place.host, place.port, path, place.signer};
  for (const identity::RefusedGrant& refused : grants.refused)
    if (!refused.where || identity::selects(*refused.where, target))
      return fail(Code::invalid, refused.why);
  TRY_ASSIGN(auto bindings, grants.table.select(target, place.secure));
  for (const GrantBinding* binding : bindings)
    if (gives_keys(binding->grant) && !place.is_signed)
      return fail(Code::precondition,
                  binding->identity +
                      ": gives keys, and the policy does not sign there (credential_signing)");
  return bindings;
}

}  // namespace

void TokenGrants::Recorder::answered(const identity::GrantReport& report) {
  if (audit_ == nullptr) return;
  netproxy::GrantEvent event;
  event.credential = report.credential;
  event.kind = report.kind;
  event.server = report.server;
  event.workload = report.workload;
  event.audience = report.audience;
  event.renewal = report.renewal;
  event.granted = !report.error;
  if (report.error) event.reason = to_string(report.error->code);
  if (report.error) event.detail = report.error->what;
  event.key_id_end = report.key_id_end;
  event.lifetime_seconds = report.lifetime.count();
  event.microseconds = report.took.count();
  audit_->record(event);
}

Result<identity::JwtSvid> TokenGrants::NoAgent::fetch_jwt_svid(const identity::JwtSvidRequest&,
                                                               std::chrono::milliseconds) {
  return fail(Code::precondition, "there is no SPIFFE Workload API");
}

TokenGrants::Issuers::Issuers(TokenGrantSettings settings, const Clock& wall, TokenGrants& owner)
    : agent(settings.agent ? std::make_unique<identity::SpiffeAgent>(
                                 *settings.agent, settings.grants.spiffe_id, wall)
                           : nullptr),
      assertions(std::move(settings.assertion_files), wall),
      endpoints(settings.endpoints, wall, clock),
      sts(std::move(settings.endpoints), wall, clock),
      grants({agent ? static_cast<identity::JwtSvidSource&>(agent->tokens) : no_agent, endpoints,
              wall, clock, &owner.users_, &sts, agent ? &agent->certificates : nullptr,
              &owner.recorder_, &assertions},
             std::move(settings.grants)) {}

TokenGrants::Issuers::~Issuers() {
  if (agent) agent->cancel();
  endpoints.cancel();
  sts.cancel();
}

TokenGrants::TokenGrants(TokenGrantSettings settings, const Clock& wall, netproxy::AuditSink* audit)
    : grants_(std::make_shared<const SandboxGrants>()), recorder_(audit) {
  if (settings.agent || !settings.assertion_files.empty())
    issuers_ = std::make_unique<Issuers>(std::move(settings), wall, *this);
}

void TokenGrants::replace(SandboxGrants grants) {
  auto next = std::make_shared<const SandboxGrants>(std::move(grants));
  // In this order: who still has the old ones is told that they are withdrawn, and nobody finds new
  // ones that may not be asked for yet.
  if (issuers_) issuers_->grants.keep_only(next->table);
  grants_.set(std::move(next));
}

// What is bound there, or why nothing may go there at all.
Result<TokenGrants::Bindings> TokenGrants::select(const SandboxGrants& grants,
                                                  const InjectionPlace& place) const {
  TRY_ASSIGN(Bindings bindings, select_reading(grants, place, place.path));
  if (place.lenient) {
    TRY_ASSIGN(const Bindings others, select_reading(grants, place, *place.lenient));
    if (bindings != others)
      return fail(Code::denied, "the path can be read in two ways that need different tokens");
  }
  const bool has_agent = issuers_ && issuers_->agent;
  for (const GrantBinding* binding : bindings) {
    if (uses_agent(binding->grant) && !has_agent)
      return fail(Code::precondition, binding->identity +
                                          ": a token grant needs the SPIFFE Workload API, and " +
                                          identity::workload_socket_variable + " is not set");
    if (!issuers_)
      return fail(Code::precondition,
                  binding->identity + ": a token grant needs --grant-assertion-file");
  }
  return bindings;
}

std::optional<Result<InjectionPtr>> TokenGrants::injection_for(const InjectionPlace& place,
                                                               const Done& done) {
  auto grants = grants_.get();
  const Result<Bindings> bindings = select(*grants, place);
  if (!bindings) {
    failures_.note(bindings.error());
    return tl::unexpected(bindings.error());
  }
  if (bindings->empty()) return no_injection();
  // One more than there are bindings, so that none that comes meanwhile is the last one.
  const auto gathering = std::make_shared<Gathering>(*this, std::move(grants), done);
  gathering->missing = bindings->size() + 1;
  for (const GrantBinding* binding : *bindings) {
    // What is still there is not counted twice.
    if (const auto still = place.again ? issuers_->grants.held_for(*binding) : nullptr; still) {
      gathering->take(*binding, still);
      continue;
    }
    const auto held = issuers_->grants.ask_for(
        *binding, [gathering, binding](const Result<identity::HeldTokenPtr>& later) {
          if (gathering->take(*binding, later)) gathering->done(gathering->result());
        });
    if (held) gathering->take(*binding, *held);
  }
  if (!gathering->is_last()) return std::nullopt;
  return gathering->result();
}

bool TokenGrants::binds(std::string_view host, std::uint16_t port) const {
  const auto grants = grants_.get();
  for (const identity::RefusedGrant& refused : grants->refused)
    if (!refused.where ||
        identity::selects({refused.where->host, refused.where->port, ""}, {host, port, "/"}))
      return true;
  return grants->table.binds(host, port);
}

bool TokenGrants::rejected(const InjectionPlace& place, const InjectionPtr& injection,
                           netproxy::Rejected what) {
  const auto grants = grants_.get();
  const Result<Bindings> bindings = select(*grants, place);
  if (!bindings || !issuers_) return false;
  bool renews = false;
  for (const GrantBinding* binding : *bindings) {
    const bool by_keys = gives_keys(binding->grant);
    if (by_keys != (what == netproxy::Rejected::keys)) continue;
    const bool dropped =
        by_keys ? drop_keys(*binding, *injection) : drop_tokens(*binding, *injection);
    renews = renews || dropped;
  }
  return renews;
}

bool TokenGrants::drop_keys(const GrantBinding& binding, const Injection& injection) {
  const std::optional<netproxy::GrantedSigner>& signer = injection.signer;
  return signer && issuers_->grants.keys_refused_by_upstream(binding, *signer->keys);
}

bool TokenGrants::drop_tokens(const GrantBinding& binding, const Injection& injection) {
  bool dropped = false;
  for (const netproxy::InjectedHeader& header : injection.headers)
    if (header.name == binding.inject.header &&
        issuers_->grants.refused_by_upstream(binding, {header.name, header.value.clone()}))
      dropped = true;
  return dropped;
}

std::string TokenGrants::metrics() const {
  Exposition out("keyward_supervisor_");
  out.begin("info", "gauge", "The supervisor's version.");
  out.value(Exposition::label("version", KEYWARD_VERSION), 1);
  return out.take() + (issuers_ ? issuers_->grants.metrics() : std::string());
}

}  // namespace keyward::supervisor
