#include "identity/spiffe/x509_watcher.hpp"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <condition_variable>

#include "base/log.hpp"
#include "identity/grant/svid_source.hpp"
#include "identity/rpc/library_variables.hpp"
#include "identity/spiffe/agent_status.hpp"

namespace keyward::identity {
namespace {

using std::chrono::seconds;

constexpr seconds step{1}, longest_pause{30};  // after failures in a row, one more second each time

void pause(const std::stop_token& stop, seconds time) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop, time, [] { return false; });
}

void wipe_keys(X509SVIDResponse& response) {
  for (X509SVID& each : *response.mutable_svids())
    wipe(each.mutable_x509_svid_key()->data(), each.x509_svid_key().size());
}

}  // namespace

X509Watcher::X509Watcher(WorkloadEndpoint endpoint, std::string spiffe_id, const Clock& clock)
    : spiffe_id_(std::move(spiffe_id)),
      clock_(clock),
      channel_(std::move(endpoint)),
      state_(std::make_shared<const State>()) {
  quiet_grpc();
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Result<std::shared_ptr<const X509Svid>> X509Watcher::svid() const {
  const auto state = state_.get();
  if (!state->svid) return tl::unexpected(state->problem);
  if (clock_.now() >= state->svid->expires)
    return fail(Code::unavailable, "the X.509-SVID has expired: " + state->problem.what);
  return state->svid;
}

void X509Watcher::keep(std::shared_ptr<const X509Svid> svid, Error problem) {
  state_.set(std::make_shared<const State>(State{std::move(svid), std::move(problem)}));
}

Result<std::shared_ptr<const X509Svid>> X509Watcher::take(X509SVIDResponse& response) const {
  const auto& svids = response.svids();
  const auto found = std::find_if(svids.begin(), svids.end(), [this](const X509SVID& each) {
    return spiffe_id_.empty() || each.spiffe_id() == spiffe_id_;
  });
  if (found == svids.end())
    return fail(Code::not_found, "the agent's answer has no X.509-SVID of the identity");
  TRY_ASSIGN(X509Svid svid, read_x509_svid({found->spiffe_id(), found->x509_svid(),
                                            found->x509_svid_key(), found->bundle()},
                                           clock_.now()));
  return std::make_shared<const X509Svid>(std::move(svid));
}

// Until the stream ends; why it did.  Each message is the whole truth.
Error X509Watcher::follow(const std::stop_token& stop) {
  const auto stub = channel_.stub();
  if (!stub) return stub.error();
  grpc::ClientContext context;
  context.AddMetadata("workload.spiffe.io", "true");
  const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
  const auto reader = (*stub)->FetchX509SVID(&context, X509SVIDRequest());
  X509SVIDResponse response;
  while (reader->Read(&response)) {
    auto taken = take(response);
    wipe_keys(response);
    if (taken)
      keep(std::move(*taken), {Code::unavailable, "the agent has not sent another one"});
    else
      keep(nullptr, taken.error());
  }
  const grpc::Status status = reader->Finish();
  if (status.ok()) return {Code::unavailable, "the agent ended the stream"};
  return agent_error(status);
}

void X509Watcher::run(const std::stop_token& stop) {
  for (seconds wait = step; !stop.stop_requested(); wait = std::min(wait + step, longest_pause)) {
    const auto before = state_.get();
    const Error problem = follow(stop);
    if (stop.stop_requested()) return;
    const auto held = state_.get();
    if (held != before) wait = step;  // it had answered meanwhile
    // A refusal takes it back (section 5.2.1); an agent that is away does not.
    const bool away = agent_verdict(problem.code) == AgentVerdict::retry;
    keep(away ? held->svid : nullptr, problem);
    log::warn("x509_svid_stream_ended", {{"detail", problem.what}});
    pause(stop, wait);
  }
}

}  // namespace keyward::identity
