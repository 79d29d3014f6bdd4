// One request: decided, signed, sent with its body as a stream, answered.

#include "netproxy/io/session.hpp"

#include "netproxy/http/fields.hpp"
#include "netproxy/io/gate.hpp"
#include "netproxy/io/inject.hpp"
#include "netproxy/io/resigned_upload.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::chrono::milliseconds continue_patience{1000};

bool is_safe(const std::string& method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

// Does sending the request twice do no harm (RFC 9110 section 9.2.2)?
bool is_repeatable(const RequestHead& request) {
  return request.framing == Framing::none && is_safe(request.method);
}

// May the request be sent again on a fresh connection?  Only if the first one was an old connection
// that said nothing.
bool may_retry(const Exchange& exchange, const UpstreamConnection& upstream) {
  return upstream.reused && upstream.inbox.empty() && is_repeatable(exchange.request);
}

// The upload runs beside the reply: an upstream may answer before it has read everything.
struct Background {
  Background(Loop& loop, std::chrono::seconds answer) : done(loop), answer_within(answer) {}
  Event done;
  std::chrono::seconds answer_within;  // once everything was sent
  bool unwanted = false;               // the answer has come before the upload began
  bool finished = false;
  Answer<> outcome;
};

// A head may carry a token.
class HeadText {
 public:
  explicit HeadText(const RequestHead& head) : text_(serialize(head)) {}
  HeadText(const HeadText&) = delete;
  HeadText& operator=(const HeadText&) = delete;
  ~HeadText() { wipe(text_.data(), text_.size()); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

struct ForgetInjected {
  explicit ForgetInjected(Exchange& exchange) : exchange_(exchange) {}
  ForgetInjected(const ForgetInjected&) = delete;
  ForgetInjected& operator=(const ForgetInjected&) = delete;
  ~ForgetInjected() { forget_injected(exchange_); }

 private:
  Exchange& exchange_;
};

Task<> upload_beside(Upload& upload, UpstreamConnection& upstream, Background& background) {
  try {
    if (!background.unwanted) background.outcome = co_await upload.send(upstream.stream);
  } catch (const std::exception& failure) {
    const Error error{Code::internal, failure.what()};
    background.outcome = Answer<>(tl::unexpected(internal_failure(error)));
  }
  background.finished = true;
  upstream.stream.expire_in(background.answer_within);
  // A body that is at fault must not be answered by whoever got half of it.
  if (!background.outcome && is_body_fault(background.outcome.error())) upstream.stream.cancel();
  background.done.set();
}

}  // namespace

Task<bool> Session::serve_request(RequestHead request) {
  Exchange exchange;
  exchange.request = std::move(request);
  exchange.event.http = true;
  const bool keep_alive = exchange.request.keep_alive;
  Answer<bool> outcome = co_await carry_out(exchange);
  if (outcome) {
    audit(exchange, nullptr);
    co_return *outcome&& keep_alive;
  }
  // A body that nobody reads makes the connection useless.
  const bool usable =
      keep_alive && exchange.request.framing == Framing::none && exchange.answered == 0;
  co_await refuse(exchange, outcome.error(), usable);
  co_return usable;
}

std::unique_ptr<Upload> Session::make_upload(Exchange& exchange) {
  if (exchange.chunks && exchange.payload && exchange.payload->chunked) {
    const ResignedUpload::Way way{client_, inbox_, exchange.request, exchange.asked_path};
    return std::make_unique<ResignedUpload>(way, *exchange.payload->chunked,
                                            std::move(*exchange.chunks));
  }
  const bool body_is_known = exchange.collect > 0;
  std::unique_ptr<BodyCheck> check;
  if (exchange.payload && !body_is_known) check = make_body_check(*exchange.payload);
  const RequestHead nothing_to_come;
  const RequestHead& coming = exchange.body ? nothing_to_come : exchange.request;
  auto upload = std::make_unique<PlainUpload>(client_, inbox_, coming, std::move(check));
  if (exchange.payload && exchange.payload->at_s3) upload->speak_s3(exchange.asked_path);
  if (exchange.injection && !exchange.injection->headers.empty()) upload->forbid_trailers();
  return upload;
}

Task<Answer<>> Session::admit(Exchange& exchange) {
  if (gate() != nullptr) co_return gate()->admit(exchange);
  exchange.policy = worker_.shared.deps.policy.get();
  identify_client(exchange.policy.get());
  Answer<> ready = decide(exchange, origin_);
  if (!ready) co_return ready;
  // Larger bodies are not waited for, and none is sent twice.
  const RequestHead& head = exchange.request;
  const bool waits = head.framing == Framing::length && head.content_length <= buffer_size;
  if (waits || (head.framing == Framing::none && may_get_keys(worker_, exchange)))
    exchange.bare_request = exchange.request;
  co_return co_await authorize(exchange);
}

// With what is granted now.
Task<Answer<>> Session::authorize(Exchange& exchange) {
  exchange.credentials = worker_.shared.deps.credentials.get();
  Answer<> ready = co_await inject(worker_, exchange);
  if (ready)
    ready = sign(exchange, worker_.shared.deps.placeholder, worker_.signing_keys,
                 worker_.shared.deps.clock.now());
  co_return ready;
}

// What a slow body has outlived is not used any more: tokens end, are withdrawn, and others are
// bound.
Task<Answer<>> Session::authorize_anew(Exchange& exchange) {
  if (!exchange.bare_request) co_return Answer<>{};
  client_.expire_in(limits().idle_timeout);
  forget_injected(exchange);
  exchange.request = *exchange.bare_request;
  co_return co_await authorize(exchange);
}

// True: the client's connection can be used again.
Task<Answer<bool>> Session::carry_out(Exchange& exchange) {
  const ForgetInjected forgets(exchange);
  client_.expire_in(limits().idle_timeout);  // a token may have to be waited for
  Answer<> ready = co_await admit(exchange);
  if (!ready) co_return tl::unexpected(ready.error());
  client_.expire_in(limits().idle_timeout);
  continued_ = false;
  if (gate() != nullptr && !exchange.local) ready = co_await pass_gate(exchange);
  if (!ready) co_return tl::unexpected(ready.error());
  if (exchange.local) co_return co_await answer_locally(exchange);
  co_return co_await forward(exchange);
}

Task<Answer<bool>> Session::forward(Exchange& exchange) {
  const std::unique_ptr<Upload> owned = make_upload(exchange);
  Upload& upload = *owned;
  Answer<> ready = co_await upload.gather();
  if (ready && upload.has_waited()) ready = co_await authorize_anew(exchange);
  if (!ready) co_return tl::unexpected(ready.error());

  for (;;) {
    Answer<UpstreamPtr> upstream = co_await send_request(exchange, upload);
    if (!upstream) co_return tl::unexpected(upstream.error());
    Answer<bool> carried = co_await forward_body(exchange, upload, std::move(*upstream));
    if (!std::exchange(exchange.repeats, false)) co_return carried;
    if (exchange.bare_request)
      ready = co_await authorize_anew(exchange);
    else
      ready = co_await inject(worker_, exchange);
    if (!ready) co_return tl::unexpected(ready.error());
  }
}

// What a dial has outlived is not sent either.
Task<Answer<>> Session::look_at_grant(Exchange& exchange) {
  if (!exchange.injection) co_return Answer<>{};
  if (!exchange.payload) co_return co_await inject(worker_, exchange);
  if (exchange.bare_request && !exchange.chunks) co_return co_await authorize_anew(exchange);
  co_return co_await confirm(worker_, exchange);
}

// The head, and with it a body that is already here.
Task<Answer<UpstreamPtr>> Session::send_request(Exchange& exchange, Upload& upload) {
  for (bool fresh = false;; fresh = true) {
    PoolUse use = is_repeatable(exchange.request) ? PoolUse::quick : PoolUse::checked;
    if (fresh) use = PoolUse::none;
    Answer<UpstreamPtr> upstream = co_await connect_upstream(worker_, exchange.route, use);
    if (!upstream) co_return upstream;
    UpstreamConnection& connection = **upstream;
    if (!connection.reused) {
      const Answer<> granted = co_await look_at_grant(exchange);
      if (!granted) co_return tl::unexpected(granted.error());
    }
    const HeadText head(exchange.request);
    exchange.event.address = connection.address;
    connection.stream.expire_in(limits().upstream_timeout);
    const std::string_view gathered = upload.complete() ? upload.gathered() : std::string_view();
    const std::string_view body = exchange.body ? std::string_view(*exchange.body) : gathered;
    const Result<> sent = co_await connection.stream.write(head.text(), body);
    if (!sent && connection.reused && !fresh) continue;  // closed before it took the request
    if (!sent) co_return tl::unexpected(broken_upstream(sent.error()));
    // Nothing of the reply yet: an old connection may have been closed while the request was under
    // way.
    if (may_retry(exchange, connection)) {
      client_.cancel_on_hangup(&connection.stream);
      const Result<std::size_t> got = co_await connection.inbox.fill(connection.stream);
      client_.cancel_on_hangup(nullptr);
      const bool stale = !got || *got == 0;
      if (stale && !connection.stream.expired() && !fresh) continue;
    }
    if (upload.complete()) upload.forget_gathered();
    co_return upstream;
  }
}

Task<Answer<bool>> Session::forward_body(Exchange& exchange, Upload& upload, UpstreamPtr upstream) {
  if (exchange.request.expects_continue && !upload.complete()) {
    Answer<bool> go_on = co_await await_continue(*upstream);
    if (!go_on) co_return go_on;
    if (!*go_on) {  // the final answer has come instead: the body is not wanted
      Reply reply;
      reply.client_lives = reply.upstream_lives = false;
      Answer<> relayed = co_await relay_response(exchange, *upstream, reply);
      if (!relayed) co_return tl::unexpected(relayed.error());
      co_return false;
    }
  }
  Answer<Reply> reply = co_await await_reply(exchange, *upstream, upload);
  exchange.event.bytes_up = upload.bytes() + (exchange.body ? exchange.body->size() : 0);
  if (!reply) co_return tl::unexpected(reply.error());
  if (reply->upstream_lives && upstream->inbox.empty()) worker_.pool.give(std::move(upstream));
  co_return reply->client_lives;
}

// True: send the body.  False: the upstream's final answer stands in its inbox.
Task<Answer<bool>> Session::await_continue(UpstreamConnection& upstream) {
  Stream& stream = upstream.stream;
  const SteadyTime until = std::chrono::steady_clock::now() + continue_patience;
  // Until there is enough to tell an interim answer from a final one.
  constexpr std::string_view interim = "HTTP/1.1 1";
  const auto undecided = [&upstream, interim] {
    const std::string_view begun = upstream.inbox.view();
    return begun.size() < interim.size() && interim.starts_with(begun);
  };
  bool silent = undecided();
  while (silent && std::chrono::steady_clock::now() < until) {
    // A wake-up may only have been a session ticket: look, then wait again.
    Io state = Io::ok;
    const Result<std::size_t> got = upstream.inbox.try_fill(stream.transport(), state);
    if (!got || state == Io::end)
      co_return tl::unexpected(broken_upstream({Code::io, "the upstream closed the connection"}));
    silent = undecided();
    if (!silent) break;
    if (*got > 0) continue;
    const Result<bool> waited = co_await stream.wait_readable(continue_patience);
    if (!waited) co_return tl::unexpected(broken_upstream(waited.error()));
  }
  if (!silent && !upstream.inbox.view().starts_with(interim)) co_return false;
  Answer<> told = co_await tell_to_continue();
  if (!told) co_return tl::unexpected(told.error());
  co_return true;
}

Task<Answer<Session::Reply>> Session::await_reply(Exchange& exchange, UpstreamConnection& upstream,
                                                  Upload& upload) {
  Reply reply;
  if (upload.complete()) {
    client_.cancel_on_hangup(&upstream.stream);
    Answer<> relayed = co_await relay_response(exchange, upstream, reply);
    client_.cancel_on_hangup(nullptr);
    if (!relayed) co_return tl::unexpected(relayed.error());
    co_return reply;
  }
  client_.expire_without_progress(limits().idle_timeout);
  upstream.stream.expire_without_progress(limits().upstream_timeout);
  Background background(worker_.loop, limits().upstream_timeout);
  worker_.loop.spawn(upload_beside(upload, upstream, background));
  Answer<> relayed;
  std::exception_ptr failure;  // not before the upload, which uses what is here, has ended
  try {
    relayed = co_await relay_response(exchange, upstream, reply);
  } catch (...) {
    failure = std::current_exception();
  }
  const bool interrupted = !background.finished;
  if (interrupted) {
    // The answer is complete, or will never come: the rest of the body is not wanted.
    reply.client_lives = reply.upstream_lives = false;
    background.unwanted = true;
    upstream.stream.cancel();
    client_.interrupt();
  }
  co_await background.done.wait();
  if (failure) std::rethrow_exception(failure);
  const bool body_at_fault =
      !interrupted && !background.outcome && is_body_fault(background.outcome.error());
  if (body_at_fault && exchange.answered == 0) co_return tl::unexpected(background.outcome.error());
  if (!relayed) co_return tl::unexpected(relayed.error());
  if (!background.outcome) reply.client_lives = reply.upstream_lives = false;
  co_return reply;
}

}  // namespace keyward::netproxy
