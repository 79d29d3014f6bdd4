// The way back: responses as they come, refusals, the audit record.

#include <sys/socket.h>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "netproxy/http/fields.hpp"
#include "netproxy/http/head_parser.hpp"
#include "netproxy/io/gate.hpp"
#include "netproxy/io/inject.hpp"
#include "netproxy/io/session.hpp"

namespace keyward::netproxy {
namespace {

// Collects content for a client that does not know chunks (HTTP/1.0).
class Unchunked final : public ContentWatcher {
 public:
  void content(std::string_view bytes) override { bytes_.append(bytes); }
  std::string take() { return std::exchange(bytes_, {}); }

 private:
  std::string bytes_;
};

// The content of a short answer, which stays in the inbox; empty where it is longer or does not
// come.
Task<std::string> look_ahead(UpstreamConnection& upstream, const ResponseHead& head) {
  constexpr std::size_t longest = 4096;
  if (head.framing == Framing::until_close) co_return std::string();
  for (;;) {
    Unchunked content;
    BodyFraming framing(head.framing, head.content_length);
    const std::string_view there = upstream.inbox.view();
    const Result<std::size_t> taken = framing.take(there, &content);
    if (taken && framing.done()) co_return content.take();
    if (!taken || there.size() >= longest) co_return std::string();
    const Result<std::size_t> got = co_await upstream.inbox.fill(upstream.stream);
    if (!got || *got == 0) co_return std::string();
  }
}

bool needs_unchunking(const RequestHead& request, const ResponseHead& response) {
  return request.minor == 0 && response.framing == Framing::chunked;
}

// What was the upstream's becomes what is sent to the client; how it is framed stays.
void make_ours(const Exchange& exchange, ResponseHead& head, bool keep_alive) {
  strip_response_hop_headers(head.headers);
  const bool bodiless = head.status == 204;
  if (bodiless || needs_unchunking(exchange.request, head))
    remove_header(head.headers, "transfer-encoding");
  if (bodiless) remove_header(head.headers, "content-length");
  if (!keep_alive) set_header(head.headers, "Connection", "close");
  if (keep_alive && exchange.request.minor == 0)
    set_header(head.headers, "Connection", "keep-alive");
}

}  // namespace

Task<Answer<>> Session::relay_interim(const ResponseHead& head) {
  ResponseHead interim = head;
  strip_response_hop_headers(interim.headers);
  remove_header(interim.headers, "transfer-encoding");
  remove_header(interim.headers, "content-length");
  const std::string text = serialize(interim);
  const Result<> sent = co_await client_.write(std::string_view(text));
  if (!sent) co_return tl::unexpected(client_left(sent.error()));
  co_return Answer<>{};
}

// The final head; interim ones are passed on as they come (RFC 9110 section 15.2).
Task<Answer<ResponseHead>> Session::read_response_head(Exchange& exchange,
                                                       UpstreamConnection& upstream) {
  constexpr int max_interim = 16;
  std::size_t looked_at = 0;
  for (int interim = 0; interim < max_interim;) {
    const std::size_t size = head_length(upstream.inbox.view(), looked_at);
    if (size == 0) {
      looked_at = upstream.inbox.view().size();
      if (upstream.inbox.full() || looked_at > limits().max_head_bytes)
        co_return tl::unexpected(
            broken_upstream({Code::invalid, "the response head is too large"}));
      const Result<std::size_t> got = co_await upstream.inbox.fill(upstream.stream);
      if (!got) co_return tl::unexpected(broken_upstream(got.error()));
      if (*got == 0)
        co_return tl::unexpected(
            broken_upstream({Code::io, "the upstream closed the connection before its answer"}));
      continue;
    }
    Result<ResponseHead> head =
        parse_response_head(upstream.inbox.view().substr(0, size), exchange.request.method);
    upstream.inbox.consume(size);
    looked_at = 0;
    if (!head) co_return tl::unexpected(broken_upstream({Code::invalid, head.error().what}));
    if (head->status == 101)
      co_return tl::unexpected(broken_upstream(
          {Code::invalid, "the upstream changed the protocol without being asked"}));
    if (head->status >= 200) co_return std::move(*head);
    ++interim;
    const bool said_already = head->status == 100 && continued_;
    const bool understood = exchange.request.minor == 1;
    if (said_already || !understood) continue;
    if (head->status == 100) continued_ = true;
    Answer<> passed_on = co_await relay_interim(*head);
    if (!passed_on) co_return tl::unexpected(passed_on.error());
  }
  co_return tl::unexpected(broken_upstream({Code::invalid, "too many interim responses"}));
}

// Something was refused that can be had anew, and the request is to be repeated with it.
Task<bool> Session::is_rejected(Exchange& exchange, UpstreamConnection& upstream,
                                const ResponseHead& head) {
  if (!exchange.injection) co_return false;
  if (head.status == 401) co_return takes_rejection(worker_, exchange, Rejected::tokens);
  const bool may_be = exchange.injection->signer && (head.status == 400 || head.status == 403);
  if (!may_be) co_return false;
  const std::string said = co_await look_ahead(upstream, head);
  co_return refuses_session(head.status, said) &&
      takes_rejection(worker_, exchange, Rejected::keys);
}

Task<Answer<>> Session::relay_response(Exchange& exchange, UpstreamConnection& upstream,
                                       Reply& reply) {
  Answer<ResponseHead> received = co_await read_response_head(exchange, upstream);
  if (!received) co_return tl::unexpected(received.error());
  reply.head = std::move(*received);
  const bool rejected = co_await is_rejected(exchange, upstream, reply.head);
  if (rejected) {
    reply.upstream_lives = false;  // its answer is not read
    co_return Answer<>{};
  }
  const bool unchunk = needs_unchunking(exchange.request, reply.head);
  reply.client_lives = reply.client_lives && exchange.request.keep_alive && !unchunk &&
                       reply.head.framing != Framing::until_close && !worker_.loop.draining();
  reply.upstream_lives = reply.upstream_lives && reply.head.keep_alive;
  exchange.answered = reply.head.status;
  make_ours(exchange, reply.head, reply.client_lives);
  std::string text = serialize(reply.head);

  BodyFraming framing(reply.head.framing, reply.head.content_length);
  Unchunked plain;
  for (;;) {
    const auto taken = framing.take(upstream.inbox.view(), unchunk ? &plain : nullptr);
    if (!taken) co_return tl::unexpected(broken_upstream(taken.error()));
    const std::string decoded = plain.take();
    const std::string_view body =
        unchunk ? std::string_view(decoded) : upstream.inbox.view().substr(0, *taken);
    upstream.stream.expire_in(limits().upstream_timeout);
    client_.expire_in(limits().idle_timeout);
    if (!text.empty() || !body.empty()) {
      const Result<> sent = co_await client_.write(text, body);
      text.clear();
      if (!sent) co_return tl::unexpected(client_left(sent.error()));
    }
    exchange.event.bytes_down += body.size();
    if (exchange.error_body.size() < exchange.keep_error_bytes && reply.head.status >= 400)
      exchange.error_body += body.substr(0, exchange.keep_error_bytes - exchange.error_body.size());
    upstream.inbox.consume(*taken);
    if (framing.done()) co_return Answer<>{};
    const Result<std::size_t> got = co_await upstream.inbox.fill(upstream.stream);
    if (!got) co_return tl::unexpected(broken_upstream(got.error()));
    if (*got > 0) continue;
    if (framing.framing() == Framing::until_close) co_return Answer<>{};
    co_return tl::unexpected(broken_upstream({Code::io, "the upstream's answer is incomplete"}));
  }
}

// Answers with the problem, or breaks the connection off when an answer has already begun: a
// truncated body must not look complete.
Task<> Session::refuse(Exchange& exchange, Problem problem, bool keep_alive) {
  if (exchange.answered != 0) {
    client_.break_off();
    lingered_ = true;  // no orderly end
    audit(exchange, &problem);
    co_return;
  }
  problem.host = exchange.route.to.host;
  problem.port = exchange.route.to.port;
  problem.method = exchange.asked_method;
  problem.path = exchange.asked_path;
  if (problem.rule.empty() && exchange.verdict.endpoint != nullptr)
    problem.rule = exchange.verdict.endpoint->rule;
  if (exchange.policy) problem.policy_hash = exchange.policy->hash();
  if (problem.decision_id.empty()) problem.decision_id = random_uuid();
  if (gate() != nullptr) gate()->explain(problem);
  exchange.answered = problem.status;
  audit(exchange, &problem);
  const AnswerOptions options{answer_form(exchange.request.headers),
                              exchange.asked_method == "HEAD", keep_alive};
  const std::string text = render(problem, options);
  const Result<> sent = co_await client_.write(std::string_view(text));
  if (sent && !keep_alive) co_await linger();
}

// Ends our side and reads on for a moment: closing with unread bytes would reset the connection and
// could destroy the answer before the client has read it.
Task<> Session::linger() {
  constexpr std::chrono::seconds patience{2};
  if (std::exchange(lingered_, true)) co_return;
  const Result<> finished = co_await client_.finish();
  if (!finished) co_return;
  client_.expire_in(patience);
  for (;;) {
    inbox_.clear();
    const Result<std::size_t> got = co_await inbox_.fill(client_);
    if (!got || *got == 0) co_return;
  }
}

void Session::audit(Exchange& exchange, const Problem* problem) {
  AuditEvent& event = exchange.event;
  event.host = exchange.route.to.host;
  event.port = exchange.route.to.port;
  event.method = exchange.asked_method;
  event.path = exchange.asked_path;
  event.scheme = origin_.secure ? "https" : "http";
  if (!origin_.executables.empty()) event.program = origin_.executables.front();
  event.status = exchange.answered;
  event.credential = exchange.credential;
  event.audited = exchange.verdict.audited;
  if (exchange.payload) event.signing.append(":").append(to_string(exchange.payload->mode));
  if (exchange.verdict.endpoint != nullptr) event.rule = exchange.verdict.endpoint->rule;
  if (exchange.policy) event.policy_hash = exchange.policy->hash();
  event.outcome = Outcome::allowed;
  if (problem != nullptr) {
    const bool refused = problem->status < 499 || problem->code == "no_policy";
    event.outcome = refused ? Outcome::denied : Outcome::failed;
    event.reason = problem->code;
    event.detail = problem->log_detail.empty() ? problem->detail : problem->log_detail;
  }
  event.microseconds = std::chrono::duration_cast<std::chrono::microseconds>(
                           std::chrono::steady_clock::now() - exchange.begun)
                           .count();
  if (gate() != nullptr)
    gate()->ended(exchange, problem);
  else
    worker_.shared.deps.audit.record(event);
}

}  // namespace keyward::netproxy
