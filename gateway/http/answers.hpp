#pragma once
// What the gateway says over HTTP, to anybody: nothing here is secret.
//
//   /healthz                          the process answers
//   /readyz                           ... and its database does; else 503
//   /metrics                          Prometheus
//   /.well-known/jwks.json            the keys that verify sandbox tokens
//   /.well-known/openid-configuration who issues them (OpenID Connect Discovery 1.0); only where
//                                     the gateway knows under which URL it is reached

#include <string>
#include <string_view>

#include "gateway/http/readiness.hpp"
#include "gateway/issue/key_ring.hpp"
#include "gateway/metrics.hpp"

namespace keyward::gateway {

struct HttpAnswer {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
};

struct HttpDeps {
  Readiness& readiness;
  const KeyRing& ring;
  const Metrics& metrics;
  std::string issuer;
  std::string public_url;  // of this listener, without a slash at its end; empty: not known
};

// GET and HEAD; 404 for another path, 405 for another method.
HttpAnswer answer_http(const HttpDeps& deps, std::string_view method, std::string_view target);

}  // namespace keyward::gateway
