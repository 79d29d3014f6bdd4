#pragma once
// openshell.v1.OpenShell for supervisors: each handler is authenticate → authorize → answer, and
// one audit record.

#include <grpcpp/impl/service_type.h>

#include <memory>

#include "base/clock.hpp"
#include "gateway/audit.hpp"
#include "gateway/authn/authenticator.hpp"
#include "gateway/authn/rate_limiter.hpp"
#include "gateway/issue/issuer.hpp"
#include "gateway/log_book.hpp"
#include "gateway/metrics.hpp"
#include "gateway/rpc/session_book.hpp"
#include "gateway/store/store.hpp"

namespace keyward::gateway {

struct ServiceDeps {
  Store& store;
  Issuer& issuer;
  const AuthenticatorChain& authenticators;
  AuditLog& audit;
  const Clock& clock;
  Metrics& metrics;
  CallLimits& limits;
  LogBook& logs;
  SessionBook& sessions;
};

std::unique_ptr<grpc::Service> make_openshell_service(ServiceDeps deps);
std::unique_ptr<grpc::Service> make_inference_service(ServiceDeps deps);
std::unique_ptr<grpc::Service> make_operator_service(
    ServiceDeps deps);  // only on the root-only socket

}  // namespace keyward::gateway
