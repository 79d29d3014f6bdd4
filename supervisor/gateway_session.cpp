#include "supervisor/gateway_session.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>

#include "base/jitter.hpp"
#include "base/log.hpp"
#include "supervisor/agent_tls.hpp"
#include "supervisor/token_check.hpp"

namespace keyward::supervisor {
namespace {

using identity::RpcError;
using identity::RpcResult;
using SteadyClock = std::chrono::steady_clock;

constexpr std::array<std::chrono::seconds, 4> pauses = {
    std::chrono::seconds(1), std::chrono::seconds(2), std::chrono::seconds(4),
    std::chrono::seconds(4)};
constexpr std::chrono::seconds start_limit{15};
constexpr std::chrono::milliseconds farewell_limit{3'000}, farewell_pause{250};
constexpr std::size_t reports_kept = 16;

bool is_worth_another_try(const RpcError& error) {
  constexpr std::array codes = {
      identity::grpc_unknown, identity::grpc_deadline_exceeded, identity::grpc_resource_exhausted,
      identity::grpc_aborted, identity::grpc_internal,          identity::grpc_unavailable};
  return !error.lasting && std::find(codes.begin(), codes.end(), error.grpc_code) != codes.end();
}

constexpr std::string_view expired_and_away =
    "the sandbox's token has expired and the gateway cannot be asked";

// Why this token or this sandbox is no more, where the gateway itself says so; else empty.
std::string_view lost_by(const RpcError& error) {
  switch (error.grpc_code) {
    case identity::grpc_unauthenticated:
      return "it does not accept the sandbox's token any more";
    case identity::grpc_permission_denied:
      return "it denies the sandbox its policy";
    case identity::grpc_not_found:
      return "it does not know the sandbox any more";
    default:
      return {};
  }
}

tl::unexpected<Error> start_failure(const RpcError& error) {
  const bool refused = error.grpc_code == identity::grpc_unauthenticated;
  return fail(code_of_grpc(error.grpc_code),
              "OPENSHELL_ENDPOINT: " + error.message + (refused ? refused_token_remedy : ""));
}

// A call at the start, repeated as long as that can help and the time allows.
template <class Call>
auto with_patience(const Call& call) -> decltype(call()) {
  const auto deadline = SteadyClock::now() + start_limit;
  for (const auto pause : pauses) {
    auto answer = call();
    if (answer || !is_worth_another_try(answer.error()) || SteadyClock::now() + pause > deadline)
      return answer;
    log::warn("gateway_not_ready", {{"detail", answer.error().message},
                                    {"retry_seconds", std::to_string(pause.count())}});
    std::this_thread::sleep_for(pause);
  }
  return call();
}

}  // namespace

Result<std::unique_ptr<GatewaySession>> GatewaySession::start(SessionInputs inputs) {
  std::unique_ptr<GatewaySession> session(new GatewaySession(inputs));
  TRY(session->acquire(std::move(inputs.token)));
  TRY_ASSIGN(session->client_,
             identity::GatewayClient::connect(session->settings_.endpoint, session->slot_,
                                              tls_by(session->settings_, session->agent_.get())));
  session->grants_.ask_for_users([self = session.get()](const auto& provider,
                                                        const auto& credential) {
    return self->client_->get_subject_token({self->slot_.get()->sandbox_id, provider, credential});
  });
  TRY(session->exchange_first());
  session->start_log_push();
  TRY(session->start_refresher());
  TRY(session->load_first());
  TRY_ASSIGN(session->control_, open_control_socket(session->settings_.control_socket, *session));
  session->presence_.emplace([self = session.get()] {
    return self->client_->hold_session({self->slot_.get()->sandbox_id, self->instance_id_});
  });
  session->poller_ =
      std::jthread([self = session.get()](const std::stop_token& stop) { self->run(stop); });
  return session;
}

GatewaySession::GatewaySession(SessionInputs& inputs)
    : settings_(inputs.settings),
      policy_(inputs.policy),
      credentials_(inputs.credentials),
      grants_(inputs.grants),
      clock_(inputs.clock),
      agent_(agent_of(settings_, clock_)) {}

void GatewaySession::start_log_push() {
  if (!settings_.push_level) return;
  log_push_.emplace(
      [this](const auto& lines) { return client_->push_logs(slot_.get()->sandbox_id, lines); },
      *settings_.push_level, clock_);
}

GatewaySession::~GatewaySession() {
  poller_.request_stop();
  if (client_) client_->cancel();
  grants_.ask_for_users(nullptr);  // who asks has been cancelled
}

Result<> GatewaySession::acquire(Secret token) {
  TRY_ASSIGN(identity::AcquiredToken acquired,
             identity::acquire_token(
                 {std::move(token), settings_.token_file, settings_.kubernetes_token_file}));
  file_ = std::move(acquired.file);
  service_account_ = std::move(acquired.service_account);
  if (service_account_) return {};  // exchange_first() comes next
  TRY(take_token(acquired.token));
  const std::string obstacle = file_ ? file_->write_obstacle() : std::string();
  if (!obstacle.empty())
    log::warn("token_file_not_writable",
              {{"detail", obstacle},
               {"effect", "a refreshed token is not kept: a restart needs a new one"}});
  return {};
}

// In Kubernetes the token is the gateway's answer to the pod's ServiceAccount token.
Result<> GatewaySession::exchange_first() {
  if (!service_account_) return {};
  const auto token = with_patience([&] { return service_account_->exchange(*client_); });
  if (!token)
    return fail(code_of_grpc(token.error().grpc_code),
                "OPENSHELL_K8S_SA_TOKEN_FILE: the exchange failed: " + token.error().message);
  return take_token(*token);
}

// Where a run before this one ended in the middle of a refresh, the token is good for nothing but
// the repeat.
Result<> GatewaySession::start_refresher() {
  refresher_ = std::make_unique<identity::Refresher>(
      identity::RefresherDeps{slot_, *client_, clock_, boot_clock_, file_ ? &*file_ : nullptr,
                              service_account_ ? &*service_account_ : nullptr});
  if (!file_ || !file_->has_pending_refresh(*slot_.get())) return {};
  const auto refreshed = with_patience([&] { return refresher_->refresh_now(); });
  if (!refreshed) return start_failure(refreshed.error());
  return {};
}

Result<> GatewaySession::take_token(const std::shared_ptr<const identity::Token>& token) {
  TRY(check_token(settings_, *token, clock_.now()));
  slot_.set(token);
  return {};
}

Result<> GatewaySession::load_first() {
  const std::string id = slot_.get()->sandbox_id;
  auto config = with_patience([&] { return client_->get_sandbox_config(id); });
  if (!config) return start_failure(config.error());
  if (const Result<> taken = take_policy(*config); !taken) {
    report(config->version, taken.error().what);
    return fail_at("the gateway's policy for this sandbox", taken.error());
  }
  auto environment = with_patience([&] { return client_->get_provider_environment(id); });
  if (!environment) return start_failure(environment.error());
  provided_.insert(environment->environment.begin(), environment->environment.end());
  gives_placeholder_ = !environment->credentials.aws.empty() || gives_keys(environment->grants);
  take_environment(std::move(*environment));
  remember(*config);
  initial_policy_ = std::move(config->policy);
  loaded_ = true;
  report(config->version, {});
  return {};
}

Result<> GatewaySession::take_policy(const identity::SandboxConfig& config) {
  if (!config.policy_problem.empty()) return fail(Code::invalid, config.policy_problem);
  if (!config.has_policy) {
    log::warn("no_policy", {{"effect", "everything is denied"},
                            {"remedy", "gateway sandbox create --policy FILE"}});
    close("the gateway has no policy for this sandbox");
    return {};
  }
  TRY_ASSIGN(netproxy::Policy compiled, netproxy::compile(config.policy));
  log::info("policy_loaded",
            {{"version", std::to_string(config.version)}, {"hash", compiled.hash()}});
  if (loaded_ && !netproxy::same_static_part(config.policy, initial_policy_))
    log::warn("policy_needs_restart",
              {{"version", std::to_string(config.version)},
               {"effect",
                "the network rules hold now; filesystem_policy, landlock and process "
                "hold from the sandbox's next start on"}});
  policy_.set(std::make_shared<const netproxy::Policy>(std::move(compiled)));
  return {};
}

void GatewaySession::take_environment(identity::ProviderEnvironment environment) {
  for (const std::string& problem : environment.problems)
    log::error("credentials_refused", {{"detail", problem}});
  environment_revision_ = environment.revision;
  environment_failures_ = 0;
  log::info("credentials_loaded", {{"count", std::to_string(environment.credentials.aws.size())},
                                   {"revision", std::to_string(environment.revision)}});
  credentials_.deliver(std::move(environment.credentials));
  grants_.replace(std::move(environment.grants));
}

void GatewaySession::run(const std::stop_token& stop) {
  const std::chrono::seconds interval(settings_.poll_seconds);
  std::unique_lock lock(wait_mutex_);
  while (!stop.stop_requested()) {
    // A fifth earlier or later, so that supervisors that began together do not poll together.
    wait_.wait_for(lock, stop, interval * (0.8 + 0.4 * random_fraction()), [] { return false; });
    if (stop.stop_requested()) return;
    try {
      poll_once();
    } catch (const std::exception&) {  // of a library: this thread must go on
      log::error("poll_failed");
    }
  }
}

void GatewaySession::poll_once() {
  credentials_.drop_old_keys(clock_.now());  // while the gateway is away, too
  const std::string id = slot_.get()->sandbox_id;
  auto config = client_->get_sandbox_config(id);
  if (!config && config.error().grpc_code == identity::grpc_unauthenticated) {
    // The answer to a refresh may have been lost: then only asking again tells what holds.
    const auto refreshed = refresher_->refresh_now();
    if (!refreshed)
      config = tl::unexpected(refreshed.error());
    else
      config = client_->get_sandbox_config(id);
  }
  if (!config) return note_poll_failure(config.error());
  if (poll_failing_) log::info("gateway_back");
  poll_failing_ = false;
  send_reports();
  update(*config);
}

void GatewaySession::note_poll_failure(const RpcError& error) {
  if (error.grpc_code == identity::grpc_cancelled) return;  // our own end
  if (!poll_failing_) log::warn("gateway_lost", {{"detail", error.message}});
  poll_failing_ = true;
  const std::string_view lost = lost_by(error);
  const std::string_view reason = lost.empty() && refresher_->has_ended() ? expired_and_away : lost;
  if (!reason.empty()) lose_authority(error.message, reason);
}

// What the sandbox's clients read of it: never a text of the gateway's, nor where it is.
void GatewaySession::close(std::string reason) {
  policy_.set(
      std::make_shared<const netproxy::Policy>(netproxy::Policy::closed(std::move(reason))));
}

void GatewaySession::lose_authority(std::string_view detail, std::string_view reason) {
  if (!loaded_) return;
  loaded_ = false;
  close("the gateway's authority is lost: " + std::string(reason));
  close_environment("the gateway's authority is lost");
  log::error("authority_lost",
             {{"detail", detail}, {"reason", reason}, {"effect", "everything is denied"}});
}

void GatewaySession::close_environment(std::string_view reason) {
  environment_revision_.reset();
  credentials_.deliver({});
  // Until the grants are known again, no place is known to need none.
  grants_.replace({{}, {{std::nullopt, "token grants: " + std::string(reason)}}});
}

void GatewaySession::remember(const identity::SandboxConfig& config) {
  config_revision_ = config.config_revision;
  policy_hash_ = config.policy_hash;
}

void GatewaySession::update(const identity::SandboxConfig& config) {
  const bool new_policy =
      !loaded_ || config.config_revision != config_revision_ || config.policy_hash != policy_hash_;
  const bool new_environment = config.provider_env_revision != environment_revision_;
  // Credentials first: what a policy opens may need a token.  A policy holds at once in any case,
  // since it may take rights away.
  const bool updated = !new_environment || update_environment(config.provider_env_revision);
  if (!updated && new_policy) {
    environment_revision_.reset();
    grants_.replace({{}, {{std::nullopt, "token grants: those of this policy cannot be fetched"}}});
  }
  if (new_policy) {
    const Result<> taken = take_policy(config);
    if (!taken) refuse_policy(config, taken.error());
    report(config.version, taken ? std::string() : taken.error().what);
  }
  loaded_ = true;
  remember(config);
}

void GatewaySession::refuse_policy(const identity::SandboxConfig& config, const Error& error) {
  const auto held = policy_.get();
  const bool retain = config.retain_last_valid && held != nullptr && !held->is_closed();
  if (!retain) close("the gateway's policy for this sandbox cannot be served");
  log::error("policy_refused",
             {{"detail", error.what},
              {"effect", retain ? "the last valid policy stays" : "everything is denied"}});
}

bool GatewaySession::update_environment(std::uint64_t revision) {
  auto environment = client_->get_provider_environment(slot_.get()->sandbox_id);
  if (environment) {
    take_environment(std::move(*environment));
    return true;
  }
  const RpcError& error = environment.error();
  if (error.grpc_code == identity::grpc_cancelled) return false;  // our own end
  // The old material may have been taken away: it is kept only until the next poll asks again, and
  // only where that may help.
  const bool closes = ++environment_failures_ > 1 || !is_worth_another_try(error);
  log::warn(
      "credentials_not_updated",
      {{"revision", std::to_string(revision)},
       {"detail", error.message},
       {"effect", closes ? "no credential is used" : "the old ones are, until the next poll"}});
  if (closes) close_environment("those of this sandbox cannot be fetched");
  return false;
}

void GatewaySession::report(std::uint32_t version, const std::string& load_error) {
  if (version == 0) return;  // nothing that could be named
  reports_.push_back({slot_.get()->sandbox_id, version, load_error});
  if (reports_.size() > reports_kept) reports_.pop_front();
  send_reports();
}

// In their order: a loaded revision supersedes those before it.  What is not taken now is sent
// again at the next poll, unless the gateway says that it will never take it.
void GatewaySession::send_reports() {
  while (!reports_.empty()) {
    const auto reported = client_->report_policy_status(reports_.front());
    if (!reported) {
      log::info("policy_status_not_reported", {{"detail", reported.error().message}});
      const bool refresh_helps = reported.error().grpc_code == identity::grpc_unauthenticated;
      if (refresh_helps || is_worth_another_try(reported.error())) return;
    }
    reports_.pop_front();
  }
}

void GatewaySession::report_exit(int code) {
  const auto deadline = SteadyClock::now() + farewell_limit;
  const identity::ExitReport exit{slot_.get()->sandbox_id, instance_id_, code};
  auto reported = client_->report_main_process_exit(exit, farewell_limit);
  while (!reported && is_worth_another_try(reported.error())) {
    const auto left = std::chrono::floor<std::chrono::milliseconds>(deadline - SteadyClock::now());
    if (left <= farewell_pause) break;
    std::this_thread::sleep_for(farewell_pause);
    reported = client_->report_main_process_exit(exit, left - farewell_pause);
  }
  if (!reported) log::warn("exit_not_reported", {{"detail", reported.error().message}});
  if (!reported) client_->cancel();  // nor will it take log lines
  log_push_.reset();
}

RpcResult<std::shared_ptr<const identity::Token>> GatewaySession::refresh() {
  return refresher_->refresh_now();
}

RpcResult<identity::SandboxConfig> GatewaySession::sandbox_config(const std::string& sandbox_id) {
  return client_->get_sandbox_config(sandbox_id);
}

}  // namespace keyward::supervisor
