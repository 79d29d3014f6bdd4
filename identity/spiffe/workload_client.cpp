#include "identity/spiffe/workload_client.hpp"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "base/crypto.hpp"
#include "identity/jwt/spiffe_id.hpp"
#include "identity/spiffe/agent_status.hpp"

namespace keyward::identity {
namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

constexpr milliseconds first_pause{50}, longest_pause{1000};
constexpr std::size_t hint_limit = 1024;  // bytes (SPIFFE Workload API section 6.2.1)

// Half of the pause to the whole of it, so that workloads of one machine do not ask in step.
milliseconds jittered(milliseconds pause) {
  const auto part = static_cast<unsigned char>(random_bytes(1)[0]);
  return pause / 2 + pause * part / 512;
}

// False: given up meanwhile.
bool paused(milliseconds pause, const std::stop_token& stop) {
  std::mutex mutex;  // nothing is guarded: the pause needs one
  std::condition_variable_any pausing;
  std::unique_lock lock(mutex);
  pausing.wait_for(lock, stop, pause, [] { return false; });
  return !stop.stop_requested();
}

// Asks again while the agent is away, with growing pauses, until `patience` is over.
template <class Ask>
auto with_retries(milliseconds patience, const std::stop_token& stop, const Ask& ask) {
  const auto end = Steady::now() + patience;
  for (milliseconds pause = first_pause;; pause = std::min(pause * 2, longest_pause)) {
    const auto left = std::chrono::ceil<milliseconds>(end - Steady::now());
    auto answer = ask(std::max(left, milliseconds(1)));
    const milliseconds wait = jittered(pause);
    if (answer || agent_verdict(answer.error().code) != AgentVerdict::retry ||
        Steady::now() + wait >= end || !paused(wait, stop))
      return answer;
  }
}

// Texts of the answer that hold tokens do not stay in memory.
struct WipedAnswer {
  JWTSVIDResponse message;
  WipedAnswer() = default;
  WipedAnswer(const WipedAnswer&) = delete;
  WipedAnswer& operator=(const WipedAnswer&) = delete;
  ~WipedAnswer() {
    for (JWTSVID& each : *message.mutable_svids())
      wipe(each.mutable_svid()->data(), each.svid().size());
  }
};

// gRPC's own memory of a message that holds a token.
void wipe_slices(const std::vector<grpc::Slice>& slices) {
  for (const grpc::Slice& slice : slices)
    wipe(const_cast<std::uint8_t*>(slice.begin()), slice.size());
}

// By the generic stub, which hands out the message as it came, so that it can be wiped.
grpc::Status fetch(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context,
                   const JWTSVIDRequest& question, JWTSVIDResponse& answer) {
  grpc::TemplatedGenericStub<JWTSVIDRequest, grpc::ByteBuffer> stub(channel);
  grpc::CompletionQueue queue;
  const auto call =
      stub.PrepareUnaryCall(&context, "/SpiffeWorkloadAPI/FetchJWTSVID", question, &queue);
  grpc::ByteBuffer raw;
  grpc::Status status;
  call->StartCall();
  call->Finish(&raw, &status, &queue);
  void* tag = nullptr;
  bool ok = false;
  (void)queue.Next(&tag, &ok);  // the one event; the context's deadline ends the wait for it
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  if (!status.ok()) return status;
  std::vector<grpc::Slice> slices;
  (void)raw.Dump(&slices);
  status = grpc::SerializationTraits<JWTSVIDResponse>::Deserialize(&raw, &answer);
  wipe_slices(slices);
  return status;
}

tl::unexpected<Error> bad_answer(const std::string& why) {
  return fail(Code::denied, "the agent's answer is not used: " + why);
}

Result<JwtSvid> take_svid(JWTSVIDResponse& answer, const JwtSvidRequest& request, TimePoint now) {
  if (answer.svids().empty()) return bad_answer("it holds no JWT-SVID");
  if (answer.svids_size() > 1 && request.spiffe_id.empty())
    return fail(Code::precondition,
                "the agent has several identities for this workload: name the one to use");
  if (answer.svids_size() > 1)
    return bad_answer("it holds several JWT-SVIDs for the identity that was asked for");
  JWTSVID& entry = *answer.mutable_svids(0);
  if (!parse_spiffe_id(entry.spiffe_id())) return bad_answer("it names no SPIFFE ID");
  if (!request.spiffe_id.empty() && entry.spiffe_id() != request.spiffe_id)
    return bad_answer("it is for another identity than the one that was asked for");
  if (entry.hint().size() > hint_limit) return bad_answer("its hint is longer than 1024 bytes");
  auto claims = check_jwt_svid(entry.svid(), {entry.spiffe_id(), request.audience}, now);
  if (!claims) return bad_answer(claims.error().what);
  return JwtSvid{Secret::take(*entry.mutable_svid()), std::move(*claims), entry.hint()};
}

Result<JwtBundles> take_bundles(const JWTBundlesResponse& answer) {
  if (answer.bundles().empty()) return bad_answer("it holds no bundle");
  JwtBundles bundles;
  for (const auto& [name, keys] : answer.bundles()) {
    const auto id = parse_spiffe_id(name);
    if (!id || !id->path.empty()) return bad_answer("a bundle's name is no trust domain");
    auto parsed = parse_jwks(keys, "jwt-svid");
    if (!parsed) return bad_answer(parsed.error().what);
    bundles.emplace(id->trust_domain, std::move(*parsed));
  }
  return bundles;
}

}  // namespace

WorkloadClient::WorkloadClient(AgentChannel& channel, const Clock& clock)
    : clock_(clock), channel_(channel) {}

Result<JwtSvid> WorkloadClient::fetch_jwt_svid(const JwtSvidRequest& request,
                                               milliseconds patience) {
  if (request.audience.empty()) return fail(Code::invalid, "a JWT-SVID needs an audience");
  if (!request.spiffe_id.empty()) {
    if (auto id = parse_spiffe_id(request.spiffe_id); !id) return tl::unexpected(id.error());
  }
  return with_retries(patience, stop_.get_token(),
                      [&](milliseconds left) { return ask_jwt_svid(request, left); });
}

Result<JwtSvid> WorkloadClient::ask_jwt_svid(const JwtSvidRequest& request, milliseconds patience) {
  TRY_ASSIGN(const auto channel, channel_.channel());
  JWTSVIDRequest question;
  question.add_audience(request.audience);
  question.set_spiffe_id(request.spiffe_id);
  grpc::ClientContext context;
  mark_workload_call(context, patience);
  const std::stop_callback gives_up(stop_.get_token(), [&context] { context.TryCancel(); });
  WipedAnswer answer;
  const grpc::Status status = fetch(channel, context, question, answer.message);
  if (!status.ok()) return fail_at(channel_.endpoint().path, agent_error(status));
  return take_svid(answer.message, request, clock_.now());
}

Result<JwtBundles> WorkloadClient::fetch_jwt_bundles(milliseconds patience) {
  return with_retries(patience, stop_.get_token(),
                      [&](milliseconds left) { return ask_jwt_bundles(left); });
}

Result<JwtBundles> WorkloadClient::ask_jwt_bundles(milliseconds patience) {
  TRY_ASSIGN(const auto stub, channel_.stub());
  grpc::ClientContext context;
  mark_workload_call(context, patience);
  const std::stop_callback gives_up(stop_.get_token(), [&context] { context.TryCancel(); });
  const auto reader = stub->FetchJWTBundles(&context, JWTBundlesRequest());
  JWTBundlesResponse answer;
  if (reader->Read(&answer)) {
    context.TryCancel();  // each message of the stream is the whole truth: the first one is enough
    (void)reader->Finish();
    return take_bundles(answer);
  }
  const grpc::Status status = reader->Finish();
  if (status.ok()) return bad_answer("it ended without a bundle");
  return fail_at(channel_.endpoint().path, agent_error(status));
}

}  // namespace keyward::identity
