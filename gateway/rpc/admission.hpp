#pragma once
// What every call goes through before its handler: authenticate → limits → authorize, and one audit
// record.

#include <grpcpp/grpcpp.h>

#include <optional>
#include <string>
#include <string_view>

#include "gateway/authz/guard.hpp"
#include "gateway/rpc/services.hpp"

namespace keyward::gateway {

struct Call {
  const char* name;
  Requested::By by = Requested::By::caller;
  std::string sandbox{};  // the id or the name that the request names
  std::string target{};   // what else it is about, for the audit record only
};

constexpr std::size_t message_limit = 1 << 20;  // bytes; the wire contract's

// gRPC takes somewhat larger ones, so that who sends them is known and leaves a record.
template <class Message>
Result<> check_size(const Message& message) {
  const std::size_t size = message.ByteSizeLong();
  if (size <= message_limit) return {};
  return fail(Code::exhausted, "the message has " + std::to_string(size) + " bytes, the limit is " +
                                   std::to_string(message_limit));
}

// "" where the client sent none.
std::string_view metadata_of(const grpc::ServerContextBase& context, const char* name);

// Of the client's certificate, which TLS has verified; none where none was shown.
std::optional<CertificateSubject> certificate_of(const grpc::ServerContextBase& context);

Result<Principal> authenticate(const ServiceDeps& deps, const grpc::ServerContextBase& context,
                               const char* method);
Result<Principal> admit(const ServiceDeps& deps, const grpc::ServerContextBase& context,
                        const Call& call);

// A request whose message no handler gets to see, for this reason: limits and one audit record.
void refuse_unread(const ServiceDeps& deps, const grpc::ServerContextBase& context,
                   const std::string& method, const Error& why);

// One of the calls that the caller's address may make without a valid token; an error: there is
// none left.
Result<> limit_source(const ServiceDeps& deps, const grpc::ServerContextBase& context);

// Counts the call, logs what is the gateway's own trouble, and gives the status.
grpc::Status end_call(const ServiceDeps& deps, const Call& call, const Result<>& done);

}  // namespace keyward::gateway
