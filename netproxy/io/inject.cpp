#include "netproxy/io/inject.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/bytes.hpp"
#include "netproxy/policy/readings.hpp"

namespace keyward::netproxy {
namespace {

// What another thread answers to a coroutine of this loop, which may be gone by then.
struct Mailbox {
  std::mutex mutex;
  Loop* loop = nullptr;      // null: nobody waits
  Event* arrived = nullptr;  // the loop's thread alone
  std::optional<Result<InjectionPtr>> answer;
};

void deliver(const std::shared_ptr<Mailbox>& box, Result<InjectionPtr> answer) {
  const std::lock_guard lock(box->mutex);
  if (box->loop == nullptr || box->answer) return;
  box->answer = std::move(answer);
  box->loop->post([box] {
    if (box->arrived != nullptr) box->arrived->set();
  });
}

constexpr std::chrono::seconds patience{15};  // for a token, all that it takes together

// Holds the mailbox open for as long as its coroutine lives.
class Waiting {
 public:
  explicit Waiting(Loop& loop) : arrived_(loop, std::chrono::steady_clock::now() + patience) {
    box->loop = &loop;
    box->arrived = &arrived_;
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() {
    const std::lock_guard lock(box->mutex);
    box->loop = nullptr;
    box->arrived = nullptr;
  }
  Task<Result<InjectionPtr>> take() {
    co_await arrived_.wait();
    std::optional<Result<InjectionPtr>> answer;
    {
      const std::lock_guard lock(box->mutex);
      answer.swap(box->answer);
    }
    if (!answer) co_return fail(Code::timeout, "the token did not come in time");
    co_return std::move(*answer);
  }

  const std::shared_ptr<Mailbox> box = std::make_shared<Mailbox>();

 private:
  Event arrived_;
};

// CGI (RFC 3875 section 4.1.18) and its heirs read `X_Api_Key` as `X-Api-Key`.
bool is_same_field(std::string_view a, std::string_view b) {
  const auto folded = [](char c) { return c == '_' ? '-' : c; };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) {
           const char left = folded(x), right = folded(y);
           return equals_ignoring_case({&left, 1}, {&right, 1});
         });
}

void put(Headers& headers, const InjectedHeader& injected) {
  std::erase_if(headers,
                [&](const Header& header) { return is_same_field(header.name, injected.name); });
  headers.push_back({injected.name, std::string(injected.value.reveal())});
}

bool is_signed(const Exchange& exchange) {
  return exchange.verdict.endpoint->model.credential_signing != CredentialSigning::none;
}

Result<InjectionPlace> place_of(const Exchange& exchange) {
  TRY_ASSIGN(PathReadings path, read_path(exchange.verdict.path, PathRules::general));
  const EndpointModel& endpoint = exchange.verdict.endpoint->model;
  return InjectionPlace{exchange.route.to.host,      exchange.route.to.port,  std::move(path.plain),
                        exchange.route.secure,       std::move(path.lenient), is_signed(exchange),
                        endpoint.credential_provider};
}

// What an earlier try has put in.  Null: there was none.
InjectionPtr take_out(Exchange& exchange) {
  if (!exchange.injection) return nullptr;
  forget_injected(exchange);
  for (const InjectedHeader& injected : exchange.injection->headers)
    remove_header(exchange.request.headers, injected.name);
  return std::exchange(exchange.injection, nullptr);
}

// Whether a request that had `before` would now go without something of it.
bool lacks(const Injection& injection, const Injection& before) {
  const auto is_there = [&injection](const InjectedHeader& header) {
    return std::any_of(
        injection.headers.begin(), injection.headers.end(),
        [&header](const InjectedHeader& other) { return is_same_field(other.name, header.name); });
  };
  return (before.signer && !injection.signer) ||
         !std::all_of(before.headers.begin(), before.headers.end(), is_there);
}

// One request has one Authorization, a token or a signature, and keys that are bound are used.
Answer<> check_fit(const Exchange& exchange, const Injection& injection) {
  const auto refuse = [](const char* why) {
    return tl::unexpected(token_unavailable({Code::invalid, why}));
  };
  if (!is_signed(exchange) && injection.signer)
    return refuse("a grant of keys is bound to the endpoint, which is not signed");
  const bool authorizes = std::any_of(
      injection.headers.begin(), injection.headers.end(),
      [](const InjectedHeader& header) { return is_same_field(header.name, "authorization"); });
  if (is_signed(exchange) && authorizes)
    return refuse(
        "the endpoint is signed (credential_signing) and has a token grant for the Authorization "
        "header as well");
  return {};
}

// Connections of the pool may lead elsewhere.
void keep_inside(Route& route) {
  if (route.secure || std::exchange(route.internal_only, true)) return;
  route.key += " internal";
}

Problem nothing_granted(const Exchange& exchange, const Error& error) {
  return is_signed(exchange) ? keys_unavailable(error) : token_unavailable(error);
}

// What is granted now.  `before`: something that must not be missing.
Task<Answer<InjectionPtr>> ask(Worker& worker, const Exchange& exchange,
                               const InjectionPtr& before) {
  Result<InjectionPlace> place = place_of(exchange);
  if (!place) co_return tl::unexpected(token_unavailable(place.error()));
  place->again = before != nullptr;
  Waiting waiting(worker.loop);
  const TokenSource::Done done = [box = waiting.box](Result<InjectionPtr> answer) {
    deliver(box, std::move(answer));
  };
  std::optional<Result<InjectionPtr>> got = worker.shared.deps.tokens->injection_for(*place, done);
  if (!got) got = co_await waiting.take();
  if (!*got) co_return tl::unexpected(nothing_granted(exchange, got->error()));
  if (before && lacks(***got, *before))
    co_return tl::unexpected(nothing_granted(
        exchange, {Code::unavailable, "what was granted has been withdrawn meanwhile"}));
  co_return std::move(**got);
}

}  // namespace

Task<Answer<>> inject(Worker& worker, Exchange& exchange) {
  TokenSource* source = worker.shared.deps.tokens;
  if (source == nullptr) co_return Answer<>{};
  const InjectionPtr before = take_out(exchange);
  if (!before && !source->binds(exchange.route.to.host, exchange.route.to.port))
    co_return Answer<>{};
  Answer<InjectionPtr> granted = co_await ask(worker, exchange, before);
  if (!granted) co_return tl::unexpected(granted.error());
  const Injection& injection = **granted;
  if (injection.headers.empty() && !injection.signer) co_return Answer<>{};
  Answer<> fits = check_fit(exchange, injection);
  if (!fits) co_return fits;
  for (const InjectedHeader& header : injection.headers) put(exchange.request.headers, header);
  keep_inside(exchange.route);
  exchange.credential = injection.provider;
  exchange.injection = std::move(*granted);
  co_return Answer<>{};
}

Task<Answer<>> confirm(Worker& worker, const Exchange& exchange) {
  if (!exchange.injection) co_return Answer<>{};
  const Answer<InjectionPtr> granted = co_await ask(worker, exchange, exchange.injection);
  if (!granted) co_return tl::unexpected(granted.error());
  if ((*granted)->provider == exchange.injection->provider) co_return Answer<>{};
  co_return tl::unexpected(
      nothing_granted(exchange, {Code::unavailable, "another one is granted there meanwhile"}));
}

bool may_get_keys(const Worker& worker, const Exchange& exchange) {
  const TokenSource* source = worker.shared.deps.tokens;
  return source != nullptr && is_signed(exchange) &&
         source->binds(exchange.route.to.host, exchange.route.to.port);
}

bool takes_rejection(Worker& worker, Exchange& exchange, Rejected what) {
  if (!exchange.injection) return false;
  const Result<InjectionPlace> place = place_of(exchange);
  const bool renews =
      place && worker.shared.deps.tokens->rejected(*place, exchange.injection, what);
  // A body is gone, and a signature covers the header: it is made anew where the bare one is kept.
  const bool signs_anew = what == Rejected::keys && exchange.bare_request;
  const bool repeatable = renews && exchange.request.framing == Framing::none &&
                          (!exchange.payload || signs_anew) && !exchange.repeated;
  if (repeatable) exchange.repeats = exchange.repeated = true;
  return repeatable;
}

void forget_injected(Exchange& exchange) {
  if (!exchange.injection) return;
  for (const InjectedHeader& injected : exchange.injection->headers)
    for (Header& header : exchange.request.headers)
      if (header.name == injected.name) wipe(header.value.data(), header.value.size());
}

Answer<> check_unopened(const Worker& worker, const Destination& to) {
  const TokenSource* source = worker.shared.deps.tokens;
  if (source == nullptr || !source->binds(to.host, to.port)) return {};
  return tl::unexpected(token_unavailable(
      {Code::invalid, "a token grant is bound to " + to.host + ":" + std::to_string(to.port) +
                          ", and the policy passes the connection on unopened; it needs "
                          "protocol: rest"}));
}

}  // namespace keyward::netproxy
