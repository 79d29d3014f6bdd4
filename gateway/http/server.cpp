#include "gateway/http/server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <thread>

#include "base/log.hpp"

namespace keyward::gateway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

constexpr std::size_t connection_limit = 64;
constexpr std::size_t head_limit = 8192;  // bytes
constexpr std::chrono::seconds patience{10}, accept_pause{1};
constexpr auto waiting = asio::as_tuple(asio::use_awaitable);

Result<tcp::endpoint> parse_listen(const std::string& listen) {
  const auto wrong = [&] {
    return fail(Code::invalid, "--http-listen " + listen + ": must be ADDRESS:PORT");
  };
  const auto colon = listen.rfind(':');
  if (colon == std::string::npos) return wrong();
  std::string host = listen.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  std::uint16_t port = 0;
  const char* end = listen.data() + listen.size();
  const auto [rest, bad] = std::from_chars(listen.data() + colon + 1, end, port);
  if (error || bad != std::errc() || rest != end) return wrong();
  return tcp::endpoint(address, port);
}

http::response<http::string_body> to_response(const http::request<http::empty_body>& request,
                                              HttpAnswer answer) {
  http::response<http::string_body> response(static_cast<http::status>(answer.status),
                                             request.version());
  response.set(http::field::content_type, answer.type);
  response.set(http::field::cache_control, "no-store");
  response.keep_alive(request.keep_alive());
  response.body() = std::move(answer.body);
  response.prepare_payload();
  if (request.method() == http::verb::head) response.body().clear();
  return response;
}

// One more while it lives.
class Counted {
 public:
  explicit Counted(std::size_t& number) : number_(number) { ++number_; }
  ~Counted() { --number_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::size_t& number_;
};

class Server final : public HttpServer {
 public:
  explicit Server(Handler handler) : handler_(std::move(handler)) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() override {
    context_.stop();
    if (thread_.joinable()) thread_.join();
  }
  int port() const override { return port_; }

  Result<> open(const tcp::endpoint& endpoint) {
    boost::system::error_code error;
    (void)acceptor_.open(endpoint.protocol(), error);
    if (!error) (void)acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) (void)acceptor_.bind(endpoint, error);
    if (!error) (void)acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return fail(Code::io, "--http-listen: " + error.message());
    port_ = acceptor_.local_endpoint(error).port();
    asio::co_spawn(context_, accept_all(), asio::detached);
    thread_ = std::jthread([this] { context_.run(); });
    return {};
  }

 private:
  asio::awaitable<void> accept_all() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(waiting);
      if (error) {  // out of descriptors: others must end first
        asio::steady_timer pause(context_, accept_pause);
        co_await pause.async_wait(waiting);
        continue;
      }
      if (connections_ < connection_limit)
        asio::co_spawn(context_, serve(beast::tcp_stream(std::move(socket))), asio::detached);
    }
  }

  // A failure of one connection is its end, and nobody else's.
  asio::awaitable<void> serve(beast::tcp_stream stream) {
    const Counted counted(connections_);
    try {
      co_await serve_requests(stream);
    } catch (const std::exception& failure) {  // of a library: nothing of ours throws
      log::error("http_connection_failed", {{"detail", failure.what()}});
    }
  }

  asio::awaitable<void> serve_requests(beast::tcp_stream& stream) {
    beast::flat_buffer buffer(head_limit);
    bool open = true;
    while (open) {
      http::request_parser<http::empty_body> parser;
      parser.header_limit(head_limit);
      stream.expires_after(patience);
      const auto [broken, size] = co_await http::async_read(stream, buffer, parser, waiting);
      if (broken) break;
      const auto& request = parser.get();
      const auto method = request.method_string(), target = request.target();
      auto response = to_response(
          request, handler_({method.data(), method.size()}, {target.data(), target.size()}));
      const auto [unsent, count] = co_await http::async_write(stream, response, waiting);
      open = !unsent && response.keep_alive();
    }
    boost::system::error_code error;
    (void)stream.socket().shutdown(tcp::socket::shutdown_send, error);
  }

  Handler handler_;
  std::size_t connections_ = 0;  // of the server's thread; outlives what the context still holds
  asio::io_context context_{1};
  tcp::acceptor acceptor_{context_};
  int port_ = 0;
  std::jthread thread_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const std::string& listen, Handler handler) {
  TRY_ASSIGN(const tcp::endpoint endpoint, parse_listen(listen));
  auto server = std::make_unique<Server>(std::move(handler));
  TRY(server->open(endpoint));
  return server;
}

}  // namespace keyward::gateway
