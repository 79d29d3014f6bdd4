#include "identity/http/client.hpp"

#include <openssl/ssl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

namespace keyward::identity {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr std::size_t head_limit = 16 << 10;  // bytes
constexpr auto waiting = asio::as_tuple(asio::use_awaitable);

tl::unexpected<Error> unavailable(const Url& url, const std::string& what) {
  return fail(Code::unavailable, url.authority() + ": " + what);
}

Result<> trust(asio::ssl::context& context, const HttpSettings& settings) {
  ErrorCode error;
  if (settings.ca_pem.empty())
    error = context.set_default_verify_paths(error);
  else
    error = context.add_certificate_authority(asio::buffer(settings.ca_pem), error);
  if (error) return fail(Code::invalid, "CA certificates: " + error.message());
  context.set_verify_mode(asio::ssl::verify_peer);
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  return {};
}

http::request<http::string_body> to_wire(const HttpRequest& request) {
  http::request<http::string_body> wire;
  wire.method_string(request.method);
  wire.target(request.url.target);
  wire.version(11);
  wire.set(http::field::host, request.url.authority());
  wire.set(http::field::user_agent, "keyward/" KEYWARD_VERSION);
  // kube-apiserver answers 406 where keys are asked for without their type (RFC 7517 section 8.5).
  wire.set(http::field::accept, "application/json, application/jwk-set+json");
  wire.set(http::field::connection, "close");
  if (!request.bearer.empty())
    wire.set(http::field::authorization, "Bearer " + std::string(request.bearer.reveal()));
  if (!request.body.empty()) wire.set(http::field::content_type, request.content_type);
  for (const HttpHeader& header : request.headers) wire.set(header.name, header.value.reveal());
  wire.body() = request.body;
  wire.prepare_payload();
  return wire;
}

// Over a stream that is connected and, where it is TLS, has shaken hands.
template <class Stream>
asio::awaitable<Result<HttpResponse>> exchange(Stream& stream, const HttpSettings& settings,
                                               const HttpRequest& request) {
  const auto wire = to_wire(request);
  const auto [unsent, sent] = co_await http::async_write(stream, wire, waiting);
  if (unsent) co_return unavailable(request.url, unsent.message());
  beast::flat_buffer buffer(head_limit + settings.body_limit);
  http::response_parser<http::string_body> parser;
  parser.header_limit(head_limit);
  parser.body_limit(settings.body_limit);
  const auto [unread, size] = co_await http::async_read(stream, buffer, parser, waiting);
  if (unread) co_return unavailable(request.url, unread.message());
  auto& response = parser.get();
  co_return HttpResponse{static_cast<int>(response.result_int()), std::move(response.body())};
}

asio::awaitable<Result<HttpResponse>> exchange_tls(beast::tcp_stream connection,
                                                   const HttpSettings& settings,
                                                   const HttpRequest& request) {
  asio::ssl::context context(asio::ssl::context::tls_client);
  if (Result<> trusted = trust(context, settings); !trusted)
    co_return tl::unexpected(trusted.error());
  beast::ssl_stream<beast::tcp_stream> stream(std::move(connection), context);
  const std::string& host = request.url.host;
  const bool is_name = !request.url.v6 && !is_v4_literal(host);
  if (is_name && SSL_set_tlsext_host_name(stream.native_handle(), host.c_str()) != 1)
    co_return fail(Code::internal, "TLS: cannot set the server's name");
  stream.set_verify_callback(asio::ssl::host_name_verification(host));
  const auto [refused] = co_await stream.async_handshake(asio::ssl::stream_base::client, waiting);
  if (refused) co_return unavailable(request.url, "TLS: " + refused.message());
  co_return co_await exchange(stream, settings, request);
}

using Endpoints = std::vector<tcp::endpoint>;

Result<Endpoints> to_endpoints(const std::vector<std::string>& addresses, std::uint16_t port) {
  Endpoints endpoints;
  for (const std::string& text : addresses) {
    ErrorCode error;
    const auto address = asio::ip::make_address(text, error);
    if (error) return fail(Code::invalid, "not an address");
    endpoints.emplace_back(address, port);
  }
  return endpoints;
}

asio::awaitable<Result<Endpoints>> resolve(const HttpSettings& settings, const Url& url) {
  if (url.v6 || is_v4_literal(url.host)) co_return to_endpoints({url.host}, url.port);
  if (settings.resolve) {
    const auto addresses = settings.resolve(url.host);
    if (!addresses) co_return unavailable(url, addresses.error().what);
    co_return to_endpoints(*addresses, url.port);
  }
  const auto executor = co_await asio::this_coro::executor;
  tcp::resolver resolver(executor);
  const auto [unknown, found] =
      co_await resolver.async_resolve(url.host, std::to_string(url.port), waiting);
  if (unknown) co_return unavailable(url, unknown.message());
  Endpoints endpoints;
  for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  co_return endpoints;
}

asio::awaitable<Result<HttpResponse>> dial(const HttpSettings& settings,
                                           const HttpRequest& request) {
  const Result<Endpoints> endpoints = co_await resolve(settings, request.url);
  if (!endpoints) co_return tl::unexpected(endpoints.error());
  const auto executor = co_await asio::this_coro::executor;
  beast::tcp_stream stream(executor);
  stream.expires_never();  // the deadline is the caller's
  const auto [unreached, endpoint] = co_await stream.async_connect(*endpoints, waiting);
  if (unreached) co_return unavailable(request.url, unreached.message());
  if (request.url.tls) co_return co_await exchange_tls(std::move(stream), settings, request);
  co_return co_await exchange(stream, settings, request);
}

}  // namespace

Result<HttpResponse> send_http(const HttpSettings& settings, const HttpRequest& request) {
  if (!request.url.tls && !request.bearer.empty() && !is_loopback(request.url))
    return fail(Code::denied,
                request.url.authority() + ": a token is not sent in clear text; use https://");
  Result<HttpResponse> answer =
      fail(Code::timeout, request.url.authority() + ": no answer within " +
                              std::to_string(settings.deadline.count()) + " ms");
  try {
    asio::io_context context(1);
    asio::co_spawn(context, dial(settings, request),
                   [&](const std::exception_ptr& thrown, Result<HttpResponse> result) {
                     if (thrown)
                       answer = fail(Code::internal, request.url.authority() + ": out of memory");
                     else
                       answer = std::move(result);
                   });
    context.run_for(settings.deadline);
  } catch (const std::exception& failure) {  // of a library: nothing of ours throws
    return fail(Code::internal, request.url.authority() + ": " + failure.what());
  }
  return answer;
}

}  // namespace keyward::identity
