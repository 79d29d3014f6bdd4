#include "identity/rpc/library_variables.hpp"

#include <grpc/support/log.h>

#include <cstdlib>

#include "base/environment.hpp"

namespace keyward::identity {

void quiet_grpc() {
  for (const auto& [name, value] : environment_map())
    if (name.starts_with("GRPC_") || name.starts_with("grpc_")) ::unsetenv(name.c_str());
  ::gpr_set_log_function([](gpr_log_func_args*) {});  // what matters arrives as a status
}

}  // namespace keyward::identity
