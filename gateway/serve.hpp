#pragma once
// `gateway serve`: reads keys, opens the store, runs both servers until TERM or INT.

#include "base/result.hpp"
#include "gateway/options.hpp"

namespace keyward::gateway {

Result<> serve(const ServeOptions& options, const std::string& operator_socket);

}  // namespace keyward::gateway
