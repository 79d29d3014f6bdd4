#include "gateway/rpc/admission.hpp"

#include "base/log.hpp"
#include "gateway/rpc/status.hpp"

namespace keyward::gateway {
namespace {

std::string caller_of(const Principal& principal) {
  if (principal.kind == PrincipalKind::sandbox) return "sandbox:" + principal.sandbox_id;
  return principal.kind == PrincipalKind::operator_ ? "operator" : "anonymous";
}

Result<> within_limits(const ServiceDeps& deps, const Result<Principal>& principal,
                       const grpc::ServerContextBase& context) {
  const TimePoint now = deps.clock.now();
  if (principal && principal->kind == PrincipalKind::sandbox) {
    if (deps.limits.sandboxes.allow(principal->sandbox_id, now)) return {};
    return fail(Code::exhausted, "rate limit exceeded for this sandbox");
  }
  const std::string peer = context.peer();  // ADDRESS:PORT
  if (deps.limits.sources.allow(peer.substr(0, peer.find_last_of(':')), now)) return {};
  return fail(Code::exhausted, "too many unauthenticated calls from this address");
}

}  // namespace

std::string_view metadata_of(const grpc::ServerContextBase& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  return found == context.client_metadata().end()
             ? std::string_view()
             : std::string_view(found->second.data(), found->second.size());
}

Result<Principal> admit(const ServiceDeps& deps, const grpc::ServerContextBase& context,
                        const Call& call) {
  const Presented presented{metadata_of(context, "authorization"),
                            metadata_of(context, "x-keyward-refresh-id"),
                            call.method == Method::refresh_sandbox_token};
  Result<Principal> principal = deps.authenticator.authenticate(presented, deps.clock.now());
  // Not in the audit trail: who floods the gateway would flood that too.  The metrics count it.
  TRY(within_limits(deps, principal, context));
  const Result<> allowed = principal ? authorize(*principal, call.method, call.sandbox_id)
                                     : tl::unexpected(principal.error());
  const std::string caller = principal ? caller_of(*principal) : "anonymous";
  deps.audit.record({call.name, caller, call.sandbox_id, allowed ? nullptr : &allowed.error()});
  if (!allowed) return tl::unexpected(allowed.error());
  return principal;
}

grpc::Status end_call(const ServiceDeps& deps, const Call& call, const Result<>& done) {
  const grpc::Status status = done ? grpc::Status::OK : to_status(done.error());
  deps.metrics.count_request(call.name, status_name(status.error_code()));
  if (!done && is_own_trouble(done.error()))
    log::error("request_failed", {{"method", call.name}, {"detail", done.error().what}});
  return status;
}

}  // namespace keyward::gateway
