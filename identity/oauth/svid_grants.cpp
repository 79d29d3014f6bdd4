#include "identity/oauth/svid_grants.hpp"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <future>
#include <set>

#include "base/crypto.hpp"
#include "identity/grant/diagnosis.hpp"
#include "identity/grant/request.hpp"

namespace keyward::identity {
namespace {

using std::chrono::seconds;

constexpr seconds unregistered_pause{5};  // an agent learns of its entries every five seconds
constexpr seconds misconfigured_pause{30};
constexpr const char* withdrawn_text = "the token grant was withdrawn";

double chance() {
  const std::string bytes = random_bytes(2);
  const unsigned number =
      static_cast<unsigned char>(bytes[0]) * 256U + static_cast<unsigned char>(bytes[1]);
  return number / 65536.0;
}

GrantFailure agent_failure(Error error) {
  switch (agent_verdict(error.code)) {
    case AgentVerdict::retry:
      return {std::move(error), "", seconds(0)};
    case AgentVerdict::not_registered:
      return {std::move(error), "", unregistered_pause};
    case AgentVerdict::misconfigured:
      break;
  }
  return {std::move(error), "", misconfigured_pause};
}

void add_diagnosis(GrantFailure& failure, const Grant& grant, const JwtSvidClaims& svid,
                   TimePoint now) {
  const std::string cause = diagnose_refusal(grant, svid, failure.oauth_error, now);
  if (!cause.empty()) failure.error.what += ": " + cause;
}

GrantReport report_of(const Grant& grant) {
  GrantReport report;
  report.kind = to_string(grant.kind);
  if (gives_keys(grant))
    report.audience = grant.aws.roles.back().arn;
  else
    report.audience = grant.audience.empty() ? grant.svid_audience : grant.audience.front();
  return report;
}

std::string key_id_end(const Granted& granted) {
  if (!granted.keys) return "";
  const std::string& id = granted.keys->pair.access_key_id;
  return id.substr(id.size() - std::min<std::size_t>(4, id.size()));
}

}  // namespace

SvidGrants::SvidGrants(GrantDeps deps, GrantSettings settings)
    : deps_(deps), settings_(std::move(settings)), cache_(settings_.cache) {}

SvidGrants::~SvidGrants() {
  for (std::jthread& worker : workers_) worker.request_stop();
}

// All are asked for by one identity, so the grant alone tells tokens apart.
std::string SvidGrants::key_of(const GrantBinding& binding) {
  return binding.key.empty() ? cache_key(binding.grant) : binding.key;
}

// With the lock held.  A flight that begins becomes a job.
GrantCache::Look SvidGrants::look(const std::string& key, const GrantBinding& binding) {
  // Who has chosen the binding may have been overtaken: nothing begins for what is withdrawn.
  if (allowed_ && !allowed_->contains(key)) {
    GrantCache::Look none;
    none.failed = Error{Code::unavailable, withdrawn_text};
    return none;
  }
  GrantCache::Look seen = cache_.look(key, deps_.clock.now());
  if (!seen.begin) return seen;
  const auto question = std::make_shared<Question>();
  questions_[key] = question;
  jobs_.push_back({*seen.begin, binding.grant, question, server_of(binding.grant), binding.identity,
                   seen.token != nullptr});
  start_worker();
  return seen;
}

// With the lock held, for a job that was added.  There are as many as were needed at once: for most
// sandboxes one.
void SvidGrants::start_worker() {
  if (jobs_.size() > idle_ && workers_.size() < settings_.workers)
    workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  job_waits_.notify_one();
}

// With the lock held: the first whose server may be asked.
std::deque<SvidGrants::Job>::iterator SvidGrants::next_job() {
  return std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& job) {
    const auto asked = asked_.find(job.server);
    return asked == asked_.end() || asked->second < settings_.per_server;
  });
}

Result<InjectedHeader> SvidGrants::token_for(const GrantBinding& binding) {
  const auto promise = std::make_shared<std::promise<Result<HeldTokenPtr>>>();
  auto later = promise->get_future();
  auto held = ask_for(
      binding, [promise](Result<HeldTokenPtr> answer) { promise->set_value(std::move(answer)); });
  if (!held && later.wait_for(settings_.patience) == std::future_status::ready) held = later.get();
  if (!held)
    return fail(Code::timeout, binding.identity + ": no token within " +
                                   std::to_string(settings_.patience.count()) + " ms");
  if (!*held) return tl::unexpected(held->error());
  return write_header(binding.inject, (**held)->token);
}

HeldTokenPtr SvidGrants::held_for(const GrantBinding& binding) {
  const std::string key = key_of(binding);
  const std::lock_guard lock(mutex_);
  return look(key, binding).token;
}

std::optional<Result<HeldTokenPtr>> SvidGrants::ask_for(const GrantBinding& binding, Done done) {
  const std::string key = key_of(binding);
  const std::lock_guard lock(mutex_);
  GrantCache::Look seen = look(key, binding);
  metrics_.count(seen.token    ? GrantServed::held
                 : seen.failed ? GrantServed::refused
                               : GrantServed::waited);
  if (seen.token) return std::move(seen.token);
  if (seen.failed) return fail_at(binding.identity, *seen.failed);
  const auto found = questions_.find(key);
  if (found == questions_.end())
    return fail(Code::internal, binding.identity + ": nobody asks for the token");
  found->second->waiting.push_back({binding.identity, std::move(done), Steady::now()});
  return std::nullopt;
}

// Without the lock: who is told may ask again.  The question has ended and changes no more.
void SvidGrants::tell(const Question& question) {
  for (const Waiting& each : question.waiting) {
    if (question.token)
      each.done(question.token);
    else
      each.done(fail_at(each.identity, question.error));
  }
}

// Unless another one is held by now.
bool SvidGrants::drop(const GrantBinding& binding,
                      const std::function<bool(const HeldToken&)>& is_it) {
  const std::string key = key_of(binding);
  const std::lock_guard lock(mutex_);
  const BootTime now = deps_.clock.now();
  const HeldTokenPtr held = cache_.held(key, now);
  const bool dropped = held && is_it(*held) && cache_.invalidate(key, *held, now);
  if (dropped) metrics_.count_rejection();
  return dropped;
}

bool SvidGrants::refused_by_upstream(const GrantBinding& binding, const InjectedHeader& header) {
  return drop(binding, [&](const HeldToken& held) {
    const Result<InjectedHeader> current = write_header(binding.inject, held.token);
    return current && current->value.equals(header.value.reveal());
  });
}

bool SvidGrants::keys_refused_by_upstream(const GrantBinding& binding,
                                          const netproxy::AwsCredentials& pair) {
  return drop(binding, [&](const HeldToken& held) {
    return held.keys && held.keys->pair.access_key_id == pair.access_key_id &&
           held.keys->pair.session_token.equals(pair.session_token.reveal());
  });
}

void SvidGrants::keep_only(const BindingTable& table) {
  std::set<std::string> keys;
  for (const GrantBinding& binding : table.bindings()) keys.insert(key_of(binding));
  std::vector<QuestionPtr> withdrawn;
  {
    const std::lock_guard lock(mutex_);
    cache_.keep_only(keys);
    allowed_ = keys;
    std::erase_if(questions_, [&](const auto& each) {
      if (keys.contains(each.first)) return false;
      each.second->done = true;
      each.second->error = {Code::unavailable, withdrawn_text};
      withdrawn.push_back(each.second);
      return true;
    });
  }
  for (const QuestionPtr& question : withdrawn) tell(*question);
}

void SvidGrants::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    const bool found = job_waits_.wait(lock, stop, [this] { return next_job() != jobs_.end(); });
    --idle_;
    if (!found || stop.stop_requested()) return;
    const auto next = next_job();
    const Job job = std::move(*next);
    jobs_.erase(next);
    if (job.question->done) continue;  // withdrawn: nobody is asked
    ++asked_[job.server];
    lock.unlock();
    carry_out(job);
    lock.lock();
    if (--asked_[job.server] == 0) asked_.erase(job.server);
  }
}

void SvidGrants::carry_out(const Job& job) {
  const Steady::time_point began = Steady::now();
  Proof proof = tl::unexpected(
      GrantFailure{{Code::internal, "the grant failed unexpectedly"}, "", misconfigured_pause});
  try {
    proof = prove(job.grant);
  } catch (const std::exception&) {  // of a library: this thread must go on
  }
  if (proof && deps_.clock.now() >= proof->asked + cache_.usable_life(proof->life))
    proof = tl::unexpected(GrantFailure{
        {Code::unavailable, "what was granted had ended when it came"}, "", seconds(0)});
  GrantReport report = report_of(job.grant);
  report.credential = job.identity;
  report.server = job.server;
  if (uses_agent(job.grant)) report.workload = settings_.spiffe_id;
  report.renewal = job.renewal;
  report.took = std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - began);
  if (proof) {
    report.lifetime = proof->life.answered;
    report.key_id_end = key_id_end(proof->granted);
  } else {
    report.error = proof.error().error;
  }
  end(job, std::move(proof), std::move(report));
}

void SvidGrants::end(const Job& job, Proof proof, GrantReport report) {
  const bool withdrawn = [&] {
    const std::lock_guard lock(mutex_);
    metrics_.count(report);
    const auto found = questions_.find(job.flight.key);
    if (found == questions_.end() || found->second != job.question) return true;
    if (proof) {
      job.question->token = cache_.succeeded(job.flight, std::move(proof->granted), proof->life,
                                             {proof->asked, chance()});
    } else {
      job.question->error = proof.error().error;
      cache_.failed(job.flight, proof.error().error, proof.error().pause,
                    {deps_.clock.now(), chance()});
    }
    const Steady::time_point now = Steady::now();
    for (const Waiting& each : job.question->waiting)
      metrics_.count_wait(std::chrono::duration_cast<std::chrono::microseconds>(now - each.since));
    job.question->done = true;
    questions_.erase(found);
    return false;
  }();
  if (deps_.observer != nullptr) deps_.observer->answered(report);
  if (!withdrawn) tell(*job.question);
}

std::string SvidGrants::metrics() const {
  const std::lock_guard lock(mutex_);
  std::size_t asked = 0;
  for (const auto& [server, count] : asked_) asked += count;
  return metrics_.text({cache_.size(), jobs_.size(), asked});
}

bool SvidGrants::Svids::same_as(const Svids& other) const {
  return x509 == other.x509 && jwt.token.equals(other.jwt.token.reveal());
}

Result<JwtSvid> SvidGrants::jwt_for(const Grant& grant) {
  if (grant.assertion == AssertionSource::svid)
    return deps_.agent.fetch_jwt_svid({grant.svid_audience, settings_.spiffe_id},
                                      settings_.agent_patience);
  if (deps_.assertions == nullptr)
    return fail(Code::precondition, "the grant needs a ServiceAccount token, and nobody gives any");
  return deps_.assertions->assertion_for(grant.svid_audience);
}

Result<SvidGrants::Svids> SvidGrants::svids_for(const Grant& grant) {
  Svids svids;
  if (uses_jwt(grant)) {
    TRY_ASSIGN(svids.jwt, jwt_for(grant));
  }
  if (grant.client_auth == ClientAuth::of_kind) return svids;
  if (deps_.certificates == nullptr)
    return fail(Code::precondition, "the grant needs a certificate, and nobody gives any");
  TRY_ASSIGN(svids.x509, deps_.certificates->x509_svid(settings_.agent_patience));
  return svids;
}

SvidGrants::Proof SvidGrants::prove(const Grant& grant) {
  const Result<Svids> svids = svids_for(grant);
  if (!svids) return tl::unexpected(agent_failure(svids.error()));
  Proof proof = prove_with(grant, *svids);
  if (proof || proof.error().error.code != Code::unauthenticated) return proof;
  // Others may help; the agent gives the same ones for half of their life.
  const Result<Svids> others = svids_for(grant);
  if (!others || others->same_as(*svids)) return proof;
  return prove_with(grant, *others);
}

SvidGrants::Proof SvidGrants::prove_with(const Grant& grant, const Svids& svids) {
  if (grant.kind == GrantKind::raw_svid) {
    const auto left = std::chrono::floor<seconds>(svids.jwt.claims.expires - deps_.wall.now());
    return Proved{{svids.jwt.token.clone(), nullptr}, {left, grant.lifetime}, deps_.clock.now()};
  }
  if (gives_keys(grant)) return prove_to_sts(grant, svids.jwt);
  return needs_user(grant) ? prove_for_user(grant, svids) : ask_with(grant, svids, nullptr);
}

// What is granted is not used longer than the user's token lives.
SvidGrants::Proof SvidGrants::prove_for_user(const Grant& grant, const Svids& svids) {
  if (deps_.subjects == nullptr)
    return tl::unexpected(GrantFailure{
        {Code::precondition, "the exchange needs a user's token, and there is no source of them"},
        "",
        misconfigured_pause});
  const Result<SubjectToken> subject = deps_.subjects->subject_for(grant);
  if (!subject) return tl::unexpected(GrantFailure{subject.error(), "", seconds(0)});
  Grant limited = grant;
  if (const std::optional<TimePoint>& end = subject->expires; end) {
    const auto left = std::chrono::floor<seconds>(*end - deps_.wall.now());
    if (left < seconds(1))
      return tl::unexpected(
          GrantFailure{{Code::unavailable, "the user's token has ended"}, "", seconds(0)});
    limited.lifetime = grant.lifetime == seconds(0) ? left : std::min(grant.lifetime, left);
  }
  return ask_with(limited, svids, &subject->token);
}

SvidGrants::Proof SvidGrants::ask_with(const Grant& grant, const Svids& svids,
                                       const Secret* subject) {
  const BootTime asked = deps_.clock.now();
  std::optional<ClientCertificate> certificate;
  if (svids.x509) certificate = {svids.x509->certificates_pem, svids.x509->key_pem.clone()};
  const std::string_view client = svids.x509 ? svids.x509->spiffe_id : std::string_view();
  const Result<Secret> form = grant_form(grant, {svids.jwt.token, subject, client});
  if (!form) return tl::unexpected(GrantFailure{form.error(), "", misconfigured_pause});
  auto granted = deps_.endpoint.ask(grant, *form, certificate ? &*certificate : nullptr);
  if (granted)
    return Proved{{std::move(granted->token), nullptr}, {granted->lifetime, grant.lifetime}, asked};
  add_diagnosis(granted.error(), grant, svids.jwt.claims, deps_.wall.now());
  return tl::unexpected(std::move(granted).error());
}

SvidGrants::Proof SvidGrants::prove_to_sts(const Grant& grant, const JwtSvid& svid) {
  if (deps_.key_issuer == nullptr)
    return tl::unexpected(GrantFailure{
        {Code::unsupported, "this program asks STS for no keys"}, "", misconfigured_pause});
  const BootTime asked = deps_.clock.now();
  auto keys = deps_.key_issuer->assume(grant, svid);
  if (!keys) return tl::unexpected(std::move(keys).error());
  const auto left = std::chrono::floor<seconds>(keys->expires - deps_.wall.now());
  return Proved{{Secret(), std::make_shared<const GrantedKeys>(std::move(*keys))},
                {left, grant.lifetime, true},
                asked};
}

}  // namespace keyward::identity
