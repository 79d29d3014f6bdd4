// What a gate (gate.hpp) asks of a session: bodies that are known before their request is signed,
// and answers without an upstream.

#include "netproxy/http/fields.hpp"
#include "netproxy/io/gate.hpp"
#include "netproxy/io/session.hpp"

namespace keyward::netproxy {
namespace {

class Collector final : public ContentWatcher {
 public:
  explicit Collector(std::size_t limit) : limit_(limit) {}
  void content(std::string_view bytes) override {
    overflowed_ = overflowed_ || bytes.size() > limit_ - bytes_.size();
    if (!overflowed_) bytes_.append(bytes);
  }
  bool overflowed() const { return overflowed_; }
  std::string take() { return std::move(bytes_); }

 private:
  std::size_t limit_;
  std::string bytes_;
  bool overflowed_ = false;
};

Problem over_limit(std::size_t limit) {
  return body_too_large("at most " + std::to_string(limit) + " bytes are held to be hashed");
}

Problem no_room() {
  Problem problem = overloaded();
  problem.code = "memory_limit";
  problem.title = "too many bodies are held";
  problem.detail = "send x-amz-content-sha256 and a Content-Length, or try again";
  return problem;
}

}  // namespace

Task<Answer<>> Session::tell_to_continue() {
  ResponseHead go_on;
  go_on.status = 100;
  go_on.reason = "Continue";
  Answer<> told = co_await relay_interim(go_on);
  if (told) continued_ = true;
  co_return told;
}

Task<Answer<>> Session::pass_gate(Exchange& exchange) {
  std::string_view body;
  if (exchange.collect > 0) {
    const Answer<std::string_view> collected = co_await collect(exchange);
    if (!collected) co_return tl::unexpected(collected.error());
    body = *collected;
  }
  co_return gate()->finish(exchange, body, worker_.signing_keys);
}

// The content: in the client's inbox where it fits, so that it is sent from there, else in
// exchange.body.
Task<Answer<std::string_view>> Session::collect(Exchange& exchange) {
  RequestHead& head = exchange.request;
  const bool by_length = head.framing == Framing::length;
  if (by_length && head.content_length > exchange.collect)
    co_return tl::unexpected(over_limit(exchange.collect));
  if (head.expects_continue && head.minor == 1) {
    Answer<> told = co_await tell_to_continue();
    if (!told) co_return tl::unexpected(told.error());
  }
  head.expects_continue = false;
  remove_header(head.headers, "expect");
  if (!by_length || head.content_length > buffer_size) {
    Answer<> collected = co_await collect_elsewhere(exchange);
    if (!collected) co_return tl::unexpected(collected.error());
    co_return exchange.body ? std::string_view(*exchange.body) : std::string_view();
  }
  while (inbox_.view().size() < head.content_length) {
    const Result<std::size_t> got = co_await inbox_.fill(client_);
    if (!got) co_return tl::unexpected(broken_body(got.error()));
    if (*got == 0)
      co_return tl::unexpected(broken_body({Code::invalid, "the body ended before its length"}));
  }
  co_return inbox_.view().substr(0, head.content_length);
}

// Leaves a request that has a Content-Length.
Task<Answer<>> Session::collect_elsewhere(Exchange& exchange) {
  RequestHead& head = exchange.request;
  BodyFraming framing(head.framing, head.content_length);
  Collector content(exchange.collect);
  exchange.held = std::make_unique<HeldBytes>(worker_.shared.held_bytes, limits().max_held_bytes);
  for (;;) {
    const auto taken = framing.take(inbox_.view(), &content);
    if (!taken) co_return tl::unexpected(broken_body(taken.error()));
    inbox_.consume(*taken);
    if (!exchange.held->grow(*taken)) co_return tl::unexpected(no_room());
    if (content.overflowed()) co_return tl::unexpected(over_limit(exchange.collect));
    if (framing.done()) break;
    client_.expire_in(limits().idle_timeout);
    const Result<std::size_t> got = co_await inbox_.fill(client_);
    if (!got) co_return tl::unexpected(broken_body(got.error()));
    if (*got == 0)
      co_return tl::unexpected(broken_body({Code::invalid, "the body ended before its length"}));
  }
  exchange.body = content.take();
  head.framing = Framing::length;
  head.content_length = exchange.body->size();
  remove_header(head.headers, "transfer-encoding");
  remove_header(head.headers, "trailer");
  set_header(head.headers, "Content-Length", std::to_string(head.content_length));
  co_return Answer<>{};
}

Task<Answer<bool>> Session::answer_locally(Exchange& exchange) {
  if (!exchange.local) co_return false;
  const LocalAnswer& local = *exchange.local;
  // A body that nobody has read makes the connection useless.
  const bool unread = exchange.request.framing != Framing::none && !exchange.body;
  const bool lives = exchange.request.keep_alive && !unread && !worker_.loop.draining();
  ResponseHead head;
  head.status = local.status;
  head.reason = reason_phrase(local.status);
  head.headers = {{"Content-Type", local.content_type},
                  {"Content-Length", std::to_string(local.body.size())},
                  {"Cache-Control", "no-store"},
                  {"Connection", lives ? "keep-alive" : "close"}};
  exchange.answered = local.status;
  const bool bodiless = exchange.request.method == "HEAD";
  const std::string_view body = bodiless ? std::string_view() : std::string_view(local.body);
  const std::string text = serialize(head);
  const Result<> sent = co_await client_.write(text, body);
  if (!sent) co_return tl::unexpected(client_left(sent.error()));
  co_return lives;
}

}  // namespace keyward::netproxy
