#pragma once
// The one way into a handler that is no stream.

#include "gateway/rpc/admission.hpp"
#include "gateway/rpc/call_context.hpp"

namespace keyward::gateway {

class Serving {
 public:
  Serving(const ServiceDeps& deps, const grpc::ServerContext& context, Call call)
      : deps_(deps), context_(context), call_(std::move(call)) {}

  template <class Request, class Response>
  grpc::Status by(Result<> (*handler)(const CallContext&, const Request&, Response&),
                  const Request& request, Response& response) {
    if (const Result<> fits = check_size(request); !fits) {
      refuse_unread(deps_, context_, call_.name, fits.error());
      return end_call(deps_, call_, fits);
    }
    const Result<Principal> caller = admit(deps_, context_, call_);
    if (!caller) return end_call(deps_, call_, tl::unexpected(caller.error()));
    return end_call(deps_, call_, handler({deps_, *caller, context_}, request, response));
  }

 private:
  const ServiceDeps& deps_;
  const grpc::ServerContext& context_;
  const Call call_;
};

inline Serving serve(const ServiceDeps& deps, const grpc::ServerContext& context, Call call) {
  return {deps, context, std::move(call)};
}

}  // namespace keyward::gateway
