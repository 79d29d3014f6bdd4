#include "gateway/rpc/unreadable_requests.hpp"

#include <memory>
#include <string_view>

#include "gateway/rpc/admission.hpp"

namespace keyward::gateway {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::ServerRpcInfo;

std::string_view short_name(std::string_view method) {
  return method.substr(method.rfind('/') + 1);
}

class Watcher final : public grpc::experimental::Interceptor {
 public:
  Watcher(const ServiceDeps& deps, ServerRpcInfo& call) : deps_(deps), call_(call) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE) &&
        methods->GetRecvMessage() == nullptr)
      refuse_unread(deps_, *call_.server_context(), std::string(short_name(call_.method())),
                    {Code::invalid, "the message is none of this method's"});
    methods->Proceed();
  }

 private:
  const ServiceDeps& deps_;
  ServerRpcInfo& call_;
};

}  // namespace

grpc::experimental::Interceptor* UnreadableRequests::CreateServerInterceptor(ServerRpcInfo* info) {
  const bool one_message = info->type() == ServerRpcInfo::Type::UNARY ||
                           info->type() == ServerRpcInfo::Type::SERVER_STREAMING;
  if (!one_message) return nullptr;
  return std::make_unique<Watcher>(deps_, *info).release();
}

}  // namespace keyward::gateway
