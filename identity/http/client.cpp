#include "identity/http/client.hpp"

#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <thread>

#include "base/bytes.hpp"
#include "identity/http/trust.hpp"

namespace keyward::identity {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr std::size_t head_limit = 16 << 10;  // bytes
constexpr auto waiting = asio::as_tuple(asio::use_awaitable);
using WipedBody = http::basic_string_body<char, std::char_traits<char>, ZeroizingAllocator<char>>;

tl::unexpected<Error> unavailable(const Url& url, const std::string& what) {
  return fail(Code::unavailable, url.authority() + ": " + what);
}

// Also while the answer is read: a server of TLS 1.3 judges the client's certificate after the
// client has ended its handshake.
tl::unexpected<Error> broken(const HttpRequest& request, const ErrorCode& error) {
  const std::string server = request.url.authority();
  if (!refuses_certificate(error)) return unavailable(request.url, error.message());
  if (request.certificate == nullptr)
    return fail(Code::denied, server + ": wants a certificate of its client, and there is none");
  return fail(Code::unauthenticated,
              server + ": refuses the certificate of its client (" + error.message() + ")");
}

struct Field {
  std::string_view name, value;
};

// The request's own fields come in place of ours.
std::vector<Field> fields_of(const HttpRequest& request, const std::vector<Field>& ours) {
  std::vector<Field> fields;
  const auto is_given = [&](const Field& field) {
    return std::any_of(request.headers.begin(), request.headers.end(), [&](const auto& header) {
      return equals_ignoring_case(header.name, field.name);
    });
  };
  for (const Field& field : ours)
    if (!field.value.empty() && !is_given(field)) fields.push_back(field);
  for (const HttpHeader& header : request.headers)
    fields.push_back({header.name, header.value.reveal()});
  return fields;
}

// As it is sent, and nowhere else: it may hold tokens, and no library makes copies of it.
Result<Secret> to_wire(const HttpRequest& request) {
  const std::string host = request.url.authority();
  const bool sizes = !request.body.empty() || request.method == "POST" || request.method == "PUT";
  const std::string size = sizes ? std::to_string(request.body.size()) : "";
  Secret bearer;
  if (!request.bearer.empty()) {
    bearer.append("Bearer ");
    bearer.append(request.bearer.reveal());
  }
  // kube-apiserver answers 406 where keys are asked for without their type (RFC 7517 section 8.5).
  const std::vector<Field> ours = {
      {"Host", host},
      {"User-Agent", "keyward/" KEYWARD_VERSION},
      {"Accept", "application/json, application/jwk-set+json"},
      {"Connection", "close"},
      {"Authorization", bearer.reveal()},
      {"Content-Type", request.body.empty() ? std::string_view() : request.content_type},
      {"Content-Length", size}};
  Secret wire(request.method + " " + request.url.target + " HTTP/1.1\r\n");
  for (const Field& field : fields_of(request, ours)) {
    if (std::any_of(field.value.begin(), field.value.end(), is_control))
      return fail(Code::invalid, host + ": a field to be sent has control characters");
    for (const std::string_view part :
         {field.name, std::string_view(": "), field.value, std::string_view("\r\n")})
      wire.append(part);
  }
  wire.append("\r\n");
  wire.append(request.body.reveal());
  return wire;
}

template <class Fields>
std::string only_value(const Fields& fields, http::field name) {
  const auto [first, last] = fields.equal_range(name);
  return std::distance(first, last) == 1 ? std::string(first->value()) : std::string();
}

// Over a stream that is connected and, where it is TLS, has shaken hands.
template <class Stream>
asio::awaitable<Result<HttpResponse>> exchange(Stream& stream, const HttpSettings& settings,
                                               const HttpRequest& request) {
  const Result<Secret> wire = to_wire(request);
  if (!wire) co_return tl::unexpected(wire.error());
  const auto whole = asio::buffer(wire->reveal().data(), wire->size());
  const auto [unsent, sent] = co_await asio::async_write(stream, whole, waiting);
  if (unsent) co_return broken(request, unsent);
  beast::basic_flat_buffer<ZeroizingAllocator<char>> buffer(head_limit + settings.body_limit);
  http::response_parser<WipedBody> parser;
  parser.header_limit(head_limit);
  parser.body_limit(settings.body_limit);
  const auto [unread, size] = co_await http::async_read(stream, buffer, parser, waiting);
  if (unread) co_return broken(request, unread);
  auto& response = parser.get();
  co_return HttpResponse{static_cast<int>(response.result_int()),
                         only_value(response, http::field::content_type),
                         only_value(response, http::field::retry_after),
                         std::string(response.body().begin(), response.body().end())};
}

asio::awaitable<Result<HttpResponse>> exchange_tls(beast::tcp_stream connection,
                                                   const HttpSettings& settings,
                                                   const HttpRequest& request) {
  asio::ssl::context context(asio::ssl::context::tls_client);
  if (Result<> trusted = trust(context, settings); !trusted)
    co_return tl::unexpected(trusted.error());
  if (request.certificate != nullptr)
    if (Result<> usable = present(context, *request.certificate); !usable)
      co_return tl::unexpected(usable.error());
  beast::ssl_stream<beast::tcp_stream> stream(std::move(connection), context);
  const std::string& host = request.url.host;
  const bool is_name = !request.url.v6 && !is_v4_literal(host);
  if (is_name && SSL_set_tlsext_host_name(stream.native_handle(), host.c_str()) != 1)
    co_return fail(Code::internal, "TLS: cannot set the server's name");
  stream.set_verify_callback(asio::ssl::host_name_verification(host));
  const auto [refused] = co_await stream.async_handshake(asio::ssl::stream_base::client, waiting);
  if (refuses_certificate(refused)) co_return broken(request, refused);
  if (refused) co_return unavailable(request.url, "TLS: " + refused.message());
  if (!is_pinned(stream.native_handle(), settings.spki_pins))
    co_return fail(Code::denied, request.url.authority() +
                                     ": its certificates are trusted, but none has a key that is "
                                     "pinned for it");
  beast::get_lowest_layer(stream).expires_never();  // from here on the deadline is the caller's
  co_return co_await exchange(stream, settings, request);
}

using Endpoints = std::vector<tcp::endpoint>;

netproxy::Address to_address(const asio::ip::address& from) {
  netproxy::Address to;
  to.v6 = from.is_v6();
  if (to.v6) {
    to.bytes = from.to_v6().to_bytes();
  } else {
    const auto bytes = from.to_v4().to_bytes();
    std::copy(bytes.begin(), bytes.end(), to.bytes.begin());
  }
  return to;
}

tcp::endpoint to_endpoint(const netproxy::Address& from, std::uint16_t port) {
  if (from.v6) return {asio::ip::address_v6(from.bytes), port};
  asio::ip::address_v4::bytes_type bytes{};
  std::copy_n(from.bytes.begin(), bytes.size(), bytes.begin());
  return {asio::ip::address_v4(bytes), port};
}

using Steady = std::chrono::steady_clock;

// For what blocks: its stop is requested when the caller's is, or when the time is over.
class Limit {
 public:
  Limit(const std::stop_token& stop, Steady::time_point until)
      : follows_(stop, [this] { source_.request_stop(); }),
        timer_([this, until](const std::stop_token& ended) {
          std::unique_lock lock(mutex_);
          never_.wait_until(lock, ended, until, [] { return false; });
          if (!ended.stop_requested()) source_.request_stop();
        }) {}
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;
  ~Limit() = default;
  std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  std::stop_callback<std::function<void()>> follows_;
  std::mutex mutex_;
  std::condition_variable_any never_;
  std::jthread timer_;  // last: the others outlive it
};

Result<Addresses> look_up(const HttpSettings& settings, const Url& url, Steady::time_point until) {
  Result<Addresses> found = fail(Code::internal, "");
  {
    const Limit limit(settings.stop, until);
    found = settings.resolve(url.host, limit.token());
  }
  if (!found && Steady::now() >= until)
    return fail(Code::timeout, url.authority() + ": its name was not found in time");
  return found;
}

asio::awaitable<Result<Addresses>> find_addresses(const HttpSettings& settings, const Url& url,
                                                  Steady::time_point until) {
  if (url.v6 || is_v4_literal(url.host)) {
    Result<netproxy::Address> literal = netproxy::parse_address(url.host);
    if (!literal) co_return tl::unexpected(literal.error());
    co_return Addresses{*literal};
  }
  if (settings.resolve) co_return look_up(settings, url, until);
  tcp::resolver resolver(co_await asio::this_coro::executor);
  const auto [unknown, found] =
      co_await resolver.async_resolve(url.host, std::to_string(url.port), waiting);
  if (unknown) co_return unavailable(url, unknown.message());
  Addresses addresses;
  for (const auto& each : found) addresses.push_back(to_address(each.endpoint().address()));
  co_return addresses;
}

Result<Endpoints> checked_endpoints(const HttpSettings& settings, const Url& url,
                                    const Addresses& addresses) {
  Endpoints endpoints;
  for (const netproxy::Address& address : addresses) {
    const Result<> checked = settings.may_dial ? settings.may_dial(address) : Result<>();
    if (!checked) return fail_at(url.authority(), checked.error());
    endpoints.push_back(to_endpoint(address, url.port));
  }
  return endpoints;
}

asio::awaitable<Result<HttpResponse>> dial(const HttpSettings& settings, const HttpRequest& request,
                                           Steady::time_point until) {
  const Result<Addresses> addresses = co_await find_addresses(settings, request.url, until);
  if (!addresses) co_return tl::unexpected(addresses.error());
  const Result<Endpoints> endpoints = checked_endpoints(settings, request.url, *addresses);
  if (!endpoints) co_return tl::unexpected(endpoints.error());
  beast::tcp_stream stream(co_await asio::this_coro::executor);
  stream.expires_after(settings.connect_deadline);
  const auto [unreached, endpoint] = co_await stream.async_connect(*endpoints, waiting);
  if (unreached) co_return unavailable(request.url, unreached.message());
  if (request.url.tls) co_return co_await exchange_tls(std::move(stream), settings, request);
  stream.expires_never();
  co_return co_await exchange(stream, settings, request);
}

}  // namespace

Result<HttpResponse> send_http(const HttpSettings& settings, const HttpRequest& request) {
  if (!request.url.tls && !request.bearer.empty() && !is_loopback(request.url))
    return fail(Code::denied,
                request.url.authority() + ": a token is not sent in clear text; use https://");
  if (!request.url.tls && !settings.spki_pins.empty())
    return fail(Code::denied,
                request.url.authority() + ": its key is pinned, and without https:// it has none");
  if (!request.url.tls && request.certificate != nullptr)
    return fail(Code::denied,
                request.url.authority() + ": a certificate is presented with https:// only");
  Result<HttpResponse> answer =
      fail(Code::timeout, request.url.authority() + ": no answer within " +
                              std::to_string(settings.deadline.count()) + " ms");
  try {
    const Steady::time_point until = Steady::now() + settings.deadline;
    asio::io_context context(1);
    asio::co_spawn(context, dial(settings, request, until),
                   [&](const std::exception_ptr& thrown, Result<HttpResponse> result) {
                     if (thrown)
                       answer = fail(Code::internal, request.url.authority() + ": out of memory");
                     else
                       answer = std::move(result);
                   });
    const std::stop_callback gives_up(settings.stop, [&context] { context.stop(); });
    context.run_until(until);
    if (settings.stop.stop_requested()) answer = unavailable(request.url, "given up");
  } catch (const std::exception& failure) {  // of a library: nothing of ours throws
    return fail(Code::internal, request.url.authority() + ": " + failure.what());
  }
  return answer;
}

}  // namespace keyward::identity
