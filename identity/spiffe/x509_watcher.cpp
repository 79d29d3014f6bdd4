#include "identity/spiffe/x509_watcher.hpp"

#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "identity/spiffe/agent_status.hpp"

namespace keyward::identity {
namespace {

void wipe_keys(X509SVIDResponse& response) {
  for (X509SVID& each : *response.mutable_svids())
    wipe(each.mutable_x509_svid_key()->data(), each.x509_svid_key().size());
}

// Gives each message to `take` until the stream ends; why it did.
template <class Response, class Ask, class Take>
Error read_stream(AgentChannel& channel, const std::stop_token& stop, const Ask& ask,
                  const Take& take) {
  const auto stub = channel.stub();
  if (!stub) return stub.error();
  grpc::ClientContext context;
  mark_workload_call(context);
  const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
  const auto reader = ask(**stub, &context);
  Response response;
  while (reader->Read(&response)) take(response);
  const grpc::Status status = reader->Finish();
  if (status.ok()) return {Code::unavailable, "the agent ended the stream"};
  return agent_error(status);
}

}  // namespace

X509Watcher::X509Watcher(AgentChannel& channel, std::string spiffe_id, const Clock& clock)
    : spiffe_id_(std::move(spiffe_id)),
      clock_(clock),
      channel_(channel),
      watch_([this](const std::stop_token& stop, const Watch::Keep& keep) {
        return follow(stop, keep);
      }) {}

Result<std::shared_ptr<const X509Svid>> X509Watcher::x509_svid(std::chrono::milliseconds patience) {
  TRY_ASSIGN(std::shared_ptr<const X509Svid> svid, watch_.latest(patience));
  if (clock_.now() >= svid->expires)
    return fail(Code::unavailable, "the X.509-SVID has expired: " + watch_.problem().what);
  return svid;
}

X509Watcher::Watch::Taken X509Watcher::take(const X509SVIDResponse& response) const {
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

Error X509Watcher::follow(const std::stop_token& stop, const Watch::Keep& keep) {
  return read_stream<X509SVIDResponse>(
      channel_, stop,
      [](AgentChannel::Stub& stub, grpc::ClientContext* context) {
        return stub.FetchX509SVID(context, X509SVIDRequest());
      },
      [&](X509SVIDResponse& response) {
        auto taken = take(response);
        wipe_keys(response);
        keep(std::move(taken));
      });
}

X509BundleWatcher::X509BundleWatcher(AgentChannel& channel)
    : channel_(channel), watch_([this](const std::stop_token& stop, const Watch::Keep& keep) {
        return follow(stop, keep);
      }) {}

Result<std::shared_ptr<const X509Bundles>> X509BundleWatcher::x509_bundles(
    std::chrono::milliseconds patience) {
  return watch_.latest(patience);
}

Error X509BundleWatcher::follow(const std::stop_token& stop, const Watch::Keep& keep) {
  return read_stream<X509BundlesResponse>(
      channel_, stop,
      [](AgentChannel::Stub& stub, grpc::ClientContext* context) {
        return stub.FetchX509Bundles(context, X509BundlesRequest());
      },
      [&](const X509BundlesResponse& response) {
        auto bundles = read_x509_bundles({response.bundles().begin(), response.bundles().end()});
        if (bundles)
          keep(std::make_shared<const X509Bundles>(std::move(*bundles)));
        else
          keep(tl::unexpected(bundles.error()));
      });
}

}  // namespace keyward::identity
