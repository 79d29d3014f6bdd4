#include "gateway/operator/channel.hpp"

#include <sys/stat.h>
#include <unistd.h>

namespace keyward::gateway {

Result<std::shared_ptr<grpc::Channel>> operator_channel(const std::string& socket_path) {
  struct stat status{};
  if (::lstat(socket_path.c_str(), &status) != 0)
    return fail(
        Code::unavailable,
        socket_path + ": not there or not accessible; is `gateway serve` running, are you root?");
  if (!S_ISSOCK(status.st_mode) || (status.st_uid != 0 && status.st_uid != ::geteuid()))
    return fail(Code::denied, socket_path + ": is not a socket of root or of this user");
  return grpc::CreateChannel("unix:" + socket_path, grpc::InsecureChannelCredentials());
}

Result<> result_of(const grpc::Status& status, const std::string& socket_path) {
  if (status.ok()) return {};
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE)
    return fail(Code::unavailable, socket_path + ": " + status.error_message() +
                                       "; is `gateway serve` running, and its database?");
  return fail(code_of_grpc(status.error_code()), status.error_message());
}

}  // namespace keyward::gateway
