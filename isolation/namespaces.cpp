#include "isolation/namespaces.hpp"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace keyward::isolation {
namespace {

constexpr int loopback_index = 1;  // the first interface of every network namespace
constexpr int backlog = 1024;

struct LinkRequest {
  nlmsghdr header;
  ifinfomsg link;
};

// RTM_NEWLINK with IFF_UP on `lo` (rtnetlink(7)): no tool of the image is run for it.
Result<> loopback_up() {
  const UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!netlink) return fail_errno("network namespace: netlink");
  LinkRequest request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_NEWLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.link.ifi_index = loopback_index;
  request.link.ifi_flags = IFF_UP;
  request.link.ifi_change = IFF_UP;
  if (::send(netlink.get(), &request, sizeof request, 0) != sizeof request)
    return fail_errno("network namespace: loopback");
  struct {
    nlmsghdr header;
    nlmsgerr body;
  } answer{};
  if (::recv(netlink.get(), &answer, sizeof answer, 0) < static_cast<ssize_t>(sizeof answer) ||
      answer.header.nlmsg_type != NLMSG_ERROR)
    return fail(Code::internal, "network namespace: netlink gave no acknowledgement");
  if (answer.body.error != 0)
    return fail_errno("network namespace: bring loopback up", -answer.body.error);
  return {};
}

}  // namespace

Result<> enter_namespaces(const std::string& hostname) {
  struct {
    int flag;
    const char* name;
  } const wanted[] = {{CLONE_NEWNET, "network"},
                      {CLONE_NEWIPC, "IPC"},
                      {CLONE_NEWUTS, "UTS"},
                      {CLONE_NEWCGROUP, "cgroup"}};
  for (const auto& space : wanted)
    if (::unshare(space.flag) != 0)
      return fail_errno(std::string("namespaces: no new ") + space.name +
                        " namespace (needs CAP_SYS_ADMIN: --cap-add SYS_ADMIN, or a privileged "
                        "container; see user.max_" +
                        "*_namespaces when it says No space left)");
  if (::sethostname(hostname.c_str(), hostname.size()) != 0)
    return fail_errno("namespaces: hostname " + hostname);
  return loopback_up();
}

Result<InsideListener> listen_inside(std::uint16_t port) {
  InsideListener listener{
      UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), 0};
  if (!listener.socket) return fail_errno("proxy listener: socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (::bind(listener.socket.get(), generic, size) != 0 ||
      ::listen(listener.socket.get(), backlog) != 0 ||
      ::getsockname(listener.socket.get(), generic, &size) != 0)
    return fail_errno("proxy listener: 127.0.0.1:" + std::to_string(port));
  listener.port = ntohs(address.sin_port);
  return listener;
}

Result<UniqueFd> open_socket_diag() {
  UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) return fail_errno("socket diagnostics: netlink");
  return netlink;
}

}  // namespace keyward::isolation
