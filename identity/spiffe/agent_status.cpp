#include "identity/spiffe/agent_status.hpp"

#include <string>

#include "base/bytes.hpp"

namespace keyward::identity {
namespace {

constexpr std::size_t shown_limit = 200;

}  // namespace

Error agent_error(const grpc::Status& status) {
  const std::string said = "(" + printable(status.error_message(), shown_limit) + ")";
  switch (status.error_code()) {
    case grpc::StatusCode::PERMISSION_DENIED:
      return {
          Code::not_found,
          "the agent has no identity for this workload " + said +
              "; register an entry whose selectors match the supervisor; a fresh one takes some "
              "seconds to arrive"};
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return {Code::timeout, "the agent did not answer in time"};
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNKNOWN:
      return {Code::unavailable, "the agent is not ready or not there " + said};
    case grpc::StatusCode::INVALID_ARGUMENT:
      return {Code::invalid, "the agent refuses the request as malformed " + said};
    case grpc::StatusCode::UNIMPLEMENTED:
      return {Code::unsupported,
              "what listens there is no SPIFFE Workload API, or not a whole one " + said};
    default:
      return {Code::denied, "the agent refuses with status " +
                                std::to_string(static_cast<int>(status.error_code())) + " " + said};
  }
}

}  // namespace keyward::identity
