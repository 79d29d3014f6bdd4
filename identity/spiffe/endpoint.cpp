#include "identity/spiffe/endpoint.hpp"

#include <sys/un.h>

#include <algorithm>

namespace keyward::identity {
namespace {

constexpr std::size_t path_limit = sizeof(sockaddr_un{}.sun_path) - 1;

// A percent sign would be decoded by some readers of the URI and not by others.
bool is_path_character(char c) {
  return c > ' ' && c <= '~' && c != '%' && c != '?' && c != '#' && c != '\\';
}

bool is_plain_path(std::string_view path) {
  while (!path.empty()) {
    if (path[0] != '/') return false;
    const auto end = std::min(path.find('/', 1), path.size());
    const std::string_view name = path.substr(1, end - 1);
    if (name.empty() || name == "." || name == "..") return false;
    path.remove_prefix(end);
  }
  return true;
}

Result<std::string_view> path_of(std::string_view text) {
  if (text.starts_with("tcp:"))
    return fail(Code::unsupported,
                "tcp: endpoints are not used: the sandboxed program could reach them, too; let the "
                "agent listen on a unix socket");
  if (text.starts_with("unix-abstract:") || text.starts_with("@") || text.starts_with("unix:@"))
    return fail(Code::unsupported,
                "abstract sockets are not used: no view of the file system hides them from the "
                "sandboxed program; let the agent listen on a socket with a path");
  if (text.starts_with("unix:///")) return text.substr(7);
  if (text.starts_with("unix://"))
    return fail(Code::invalid, "unix: has no authority; write unix:///PATH");
  if (text.starts_with("unix:")) return text.substr(5);
  return text;
}

}  // namespace

Result<WorkloadEndpoint> parse_workload_endpoint(std::string_view setting, std::string_view text) {
  const Result<std::string_view> path = path_of(text);
  if (!path) return fail_at(setting, path.error());
  const std::string where(setting);
  if (!path->starts_with('/'))
    return fail(Code::invalid, where + ": must be unix:///PATH or an absolute path");
  if (path->size() > path_limit)
    return fail(Code::invalid, where + ": the path is longer than the " +
                                   std::to_string(path_limit) + " bytes of a socket's name");
  if (!std::all_of(path->begin(), path->end(), is_path_character))
    return fail(Code::invalid, where + ": the path has characters that a socket's URI cannot have");
  if (!is_plain_path(*path))
    return fail(Code::invalid, where + ": the path has empty, `.` or `..` components");
  return WorkloadEndpoint{std::string(*path)};
}

Result<std::optional<WorkloadEndpoint>> find_workload_endpoint(const EnvironmentMap& environment) {
  for (const char* name : {workload_socket_variable, spiffe_socket_variable}) {
    const auto found = environment.find(name);
    if (found == environment.end() || found->second.empty()) continue;
    TRY_ASSIGN(WorkloadEndpoint endpoint, parse_workload_endpoint(name, found->second));
    return endpoint;
  }
  return std::nullopt;
}

}  // namespace keyward::identity
