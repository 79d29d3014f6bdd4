#include "isolation/peer_process.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>

#include "base/file.hpp"

namespace keyward::isolation {
namespace {

constexpr int answer_timeout_ms = 1000;
constexpr std::size_t answer_limit = 65536;
constexpr int max_ancestors = 64;

struct Question {
  std::uint16_t client_port = 0, proxy_port = 0;
};

struct DiagRequest {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

using DirectoryPtr = std::unique_ptr<DIR, int (*)(DIR*)>;

std::optional<std::string> read_link(const std::string& path) {
  std::array<char, 4096> target{};
  const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
  if (size <= 0) return std::nullopt;
  return std::string(target.data(), static_cast<std::size_t>(size));
}

std::vector<pid_t> processes() {
  std::vector<pid_t> pids;
  const DirectoryPtr proc(::opendir("/proc"), ::closedir);
  while (const dirent* entry = proc ? ::readdir(proc.get()) : nullptr) {
    const std::string name = entry->d_name;
    if (name.find_first_not_of("0123456789") == std::string::npos)
      pids.push_back(static_cast<pid_t>(std::stol(name)));
  }
  return pids;
}

bool holds_socket(pid_t pid, const std::string& socket) {
  const std::string directory = "/proc/" + std::to_string(pid) + "/fd";
  const DirectoryPtr fds(::opendir(directory.c_str()), ::closedir);
  while (const dirent* entry = fds ? ::readdir(fds.get()) : nullptr)
    if (read_link(directory + "/" + entry->d_name) == socket) return true;
  return false;
}

// Field 4 of /proc/PID/stat, after the last ')' (the name may hold anything).
pid_t parent_of(pid_t pid) {
  const auto stat = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  const auto at = stat ? stat->rfind(')') : std::string::npos;
  if (at == std::string::npos || at + 4 >= stat->size()) return 0;
  return static_cast<pid_t>(std::strtol(stat->c_str() + at + 4, nullptr, 10));
}

// From the process up to, and without, the sandbox's init; empty when it does not descend from it.
std::vector<std::string> lineage(pid_t pid, pid_t init) {
  std::vector<std::string> programs;
  for (int depth = 0; depth < max_ancestors && pid > 1; ++depth, pid = parent_of(pid)) {
    if (pid == init) return programs;
    const auto program = read_link("/proc/" + std::to_string(pid) + "/exe");
    if (!program) return {};
    programs.push_back(*program);
  }
  return {};
}

Result<std::vector<std::string>> find_executables(const UniqueFd& socket_diag,
                                                  const Question& question, pid_t init) {
  TRY_ASSIGN(const std::uint32_t inode,
             find_socket_inode(socket_diag, question.client_port, question.proxy_port));
  const std::string socket = "socket:[" + std::to_string(inode) + "]";
  std::vector<std::string> found;
  for (const pid_t pid : processes()) {
    if (!holds_socket(pid, socket)) continue;
    std::vector<std::string> programs = lineage(pid, init);
    if (programs.empty()) continue;
    if (!found.empty() && found.front() != programs.front())
      return fail(Code::denied,
                  "the connection is shared by " + found.front() + " and " + programs.front());
    found = std::move(programs);
  }
  if (found.empty()) return fail(Code::not_found, "no process of the sandbox owns this connection");
  return found;
}

}  // namespace

Result<std::uint32_t> find_socket_inode(const UniqueFd& socket_diag, std::uint16_t client_port,
                                        std::uint16_t proxy_port) {
  DiagRequest request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.body.sdiag_family = AF_INET;
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = ~0U;
  request.body.id.idiag_sport = htons(client_port);
  request.body.id.idiag_dport = htons(proxy_port);
  request.body.id.idiag_src[0] = request.body.id.idiag_dst[0] = htonl(INADDR_LOOPBACK);
  request.body.id.idiag_cookie[0] = request.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  if (::send(socket_diag.get(), &request, sizeof request, 0) != sizeof request)
    return fail_errno("socket diagnostics: ask");
  alignas(nlmsghdr) std::array<char, 8192> answer{};
  const ssize_t size = ::recv(socket_diag.get(), answer.data(), answer.size(), 0);
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
  if (size < static_cast<ssize_t>(sizeof *header) || header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
      header->nlmsg_len < sizeof *header + sizeof(inet_diag_msg))
    return fail(Code::not_found, "socket diagnostics: no such connection");
  return reinterpret_cast<const inet_diag_msg*>(answer.data() + sizeof *header)->idiag_inode;
}

void answer_peer_query(const UniqueFd& queries, const UniqueFd& socket_diag, pid_t init) {
  Question question;
  if (::recv(queries.get(), &question, sizeof question, MSG_DONTWAIT) != sizeof question) return;
  const auto programs = find_executables(socket_diag, question, init);
  // "+" and the paths, or "-" and the reason; separated by NUL, which no path holds.
  std::string answer = programs ? "+" : "-" + programs.error().what;
  if (programs)
    for (const std::string& program : *programs) answer.append(program).push_back('\0');
  ::send(queries.get(), answer.data(), std::min(answer.size(), answer_limit),
         MSG_NOSIGNAL | MSG_DONTWAIT);
}

Result<std::vector<std::string>> PeerProcesses::executables(std::uint16_t client_port,
                                                            std::uint16_t proxy_port) {
  const std::lock_guard lock(mutex_);
  const Question question{client_port, proxy_port};
  if (::send(queries_.get(), &question, sizeof question, MSG_NOSIGNAL) != sizeof question)
    return fail_errno("client identity: ask");
  pollfd waiting{queries_.get(), POLLIN, 0};
  if (::poll(&waiting, 1, answer_timeout_ms) != 1)
    return fail(Code::timeout, "client identity: the launcher does not answer");
  std::string answer(answer_limit, '\0');
  const ssize_t size = ::recv(queries_.get(), answer.data(), answer.size(), 0);
  if (size <= 0) return fail(Code::unavailable, "client identity: the launcher is gone");
  answer.resize(static_cast<std::size_t>(size));
  if (answer[0] != '+') return fail(Code::denied, "client identity: " + answer.substr(1));
  std::vector<std::string> programs;
  for (std::size_t at = 1; at < answer.size();) {
    const auto end = std::min(answer.find('\0', at), answer.size());
    programs.push_back(answer.substr(at, end - at));
    at = end + 1;
  }
  return programs;
}

}  // namespace keyward::isolation
