#include "gateway/rpc/admission.hpp"

#include <optional>

#include "base/log.hpp"
#include "gateway/certgen/certificates.hpp"
#include "gateway/rpc/source.hpp"
#include "gateway/rpc/status.hpp"

namespace keyward::gateway {
namespace {

std::string caller_of(const Principal& principal) {
  switch (principal.kind) {
    case PrincipalKind::sandbox:
      return "sandbox:" + principal.sandbox_id;
    case PrincipalKind::user:
      return principal.user.provider + ":" + principal.user.subject;
    case PrincipalKind::operator_:
      return "operator";
    case PrincipalKind::anonymous:
      break;
  }
  return "anonymous";
}

// Only of a sandbox it matters which one has the name: for others nothing is looked up before they
// are authorized.
Result<Requested> requested_by(const ServiceDeps& deps, const Principal& caller, const Call& call) {
  if (call.by != Requested::By::name) return Requested{call.by, call.sandbox};
  if (caller.kind != PrincipalKind::sandbox) return Requested{call.by, ""};
  const Result<SandboxRow> row = deps.store.sandbox_by_name(call.sandbox);
  if (row) return Requested{call.by, row->id};
  if (row.error().code == Code::not_found) return Requested{call.by, ""};
  return tl::unexpected(row.error());
}

Result<> within_limits(const ServiceDeps& deps, const Result<Principal>& principal,
                       const grpc::ServerContextBase& context) {
  if (principal && principal->kind != PrincipalKind::anonymous) {
    if (deps.limits.principals.allow(caller_of(*principal), deps.clock.now())) return {};
    return fail(Code::exhausted, "rate limit exceeded for this caller");
  }
  return limit_source(deps, context);
}

}  // namespace

Result<> limit_source(const ServiceDeps& deps, const grpc::ServerContextBase& context) {
  const std::string source = limit_key_of(address_of_peer(context.peer()));
  if (deps.limits.sources.allow(source, deps.clock.now())) return {};
  return fail(Code::exhausted, "too many unauthenticated calls from this address");
}

std::optional<CertificateSubject> certificate_of(const grpc::ServerContextBase& context) {
  const auto peer = context.auth_context();
  if (!peer) return std::nullopt;
  const auto found = peer->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (found.empty()) return std::nullopt;
  Result<CertificateSubject> subject =
      certificate_subject(std::string(found[0].data(), found[0].size()));
  return subject ? std::optional(std::move(*subject)) : std::nullopt;
}

std::string_view metadata_of(const grpc::ServerContextBase& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  return found == context.client_metadata().end()
             ? std::string_view()
             : std::string_view(found->second.data(), found->second.size());
}

Result<Principal> authenticate(const ServiceDeps& deps, const grpc::ServerContextBase& context,
                               const char* method) {
  Presented presented{metadata_of(context, "authorization"),
                      metadata_of(context, "x-keyward-refresh-id"), method};
  std::optional<CertificateSubject> certificate;
  if (presented.authorization.empty()) certificate = certificate_of(context);
  if (certificate) presented.certificate = &*certificate;
  const std::string source = limit_key_of(address_of_peer(context.peer()));
  presented.source = source;
  return deps.authenticators.authenticate(presented, deps.clock.now());
}

Result<Principal> admit(const ServiceDeps& deps, const grpc::ServerContextBase& context,
                        const Call& call) {
  Result<Principal> principal = authenticate(deps, context, call.name);
  // Not in the audit trail: who floods the gateway would flood that too.  The metrics count it.
  TRY(within_limits(deps, principal, context));
  const auto decide = [&]() -> Result<> {
    TRY(principal);
    TRY_ASSIGN(const Requested requested, requested_by(deps, *principal, call));
    return authorize(*principal, call.name, requested);
  };
  const Result<> allowed = decide();
  const std::string caller = principal ? caller_of(*principal) : "anonymous";
  deps.audit.record({call.name, caller, call.sandbox, allowed ? nullptr : &allowed.error(),
                     call.target, address_of_peer(context.peer())});
  if (!allowed) return tl::unexpected(allowed.error());
  return principal;
}

void refuse_unread(const ServiceDeps& deps, const grpc::ServerContextBase& context,
                   const std::string& method, const Error& why) {
  const Result<Principal> caller = authenticate(deps, context, method.c_str());
  if (!within_limits(deps, caller, context)) return;
  deps.audit.record({method, caller ? caller_of(*caller) : "anonymous", "",
                     caller ? &why : &caller.error(), "", address_of_peer(context.peer())});
}

grpc::Status end_call(const ServiceDeps& deps, const Call& call, const Result<>& done) {
  const grpc::Status status = done ? grpc::Status::OK : to_status(done.error());
  deps.metrics.count_request(call.name, status_name(status.error_code()));
  if (!done && is_own_trouble(done.error()))
    log::error("request_failed", {{"method", call.name}, {"detail", done.error().what}});
  return status;
}

}  // namespace keyward::gateway
