#pragma once
// A small HTTP/1.1 server for answers that are public and cheap: one thread, Boost.Beast.  gRPC C++
// cannot share its port with another protocol, so this is a second one (docs/GATEWAY.md).

#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "gateway/http/answers.hpp"

namespace keyward::gateway {

class HttpServer {
 public:
  // Called on the server's thread: method and target of a request.
  using Handler = std::function<HttpAnswer(std::string_view, std::string_view)>;
  // `listen` is ADDRESS:PORT.  At most 64 connections; a request head of at most 8 KiB within 10 s.
  static Result<std::unique_ptr<HttpServer>> start(const std::string& listen, Handler handler);
  virtual ~HttpServer() = default;  // closes everything, joins the thread
  virtual int port() const = 0;
};

}  // namespace keyward::gateway
