#pragma once
// What a handler of a call has at hand, once the call was admitted.

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/bytes.hpp"
#include "gateway/authn/principal.hpp"
#include "gateway/rpc/services.hpp"

namespace keyward::gateway {

struct CallContext {
  const ServiceDeps& deps;
  const Principal& caller;
  const grpc::ServerContextBase& server;

  Store& store() const { return deps.store; }
  TimePoint now() const { return deps.clock.now(); }
};

inline std::int64_t unix_millis(TimePoint time) { return time.time_since_epoch().count(); }

// There is one workspace, and "" means it.
constexpr const char* default_workspace = "default";
inline Result<> check_workspace(const std::string& name) {
  if (name.empty() || name == default_workspace) return {};
  return fail(Code::not_found, "workspace '" + std::string(utf8_prefix(name, 63)) + "' not found");
}
// ... of a request that may ask for all of them.
inline Result<> check_workspaces(const CallContext& call, const std::string& name, bool all) {
  if (all && !name.empty())
    return fail(Code::invalid, "all_workspaces and workspace are mutually exclusive");
  if (all && call.caller.user.role != Role::admin)
    return fail(Code::denied, "platform admin role required for cross-workspace operations");
  return check_workspace(name);
}

// The part of a list that a request asks for: limit 0 means 100, at most 1000.
template <class Rows>
void cut_page(Rows& rows, std::uint32_t limit, std::uint32_t offset) {
  const std::size_t count = limit == 0 ? 100 : std::min<std::uint32_t>(limit, 1000);
  rows.erase(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(
                                              std::min<std::size_t>(offset, rows.size())));
  if (rows.size() > count)
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(count), rows.end());
}

}  // namespace keyward::gateway
