#include "isolation/launch_channel.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace keyward::isolation {
namespace {

constexpr std::size_t max_fds = 4;

struct Packet {
  std::uint32_t type = 0;
  std::uint32_t size = 0;  // of the payload, which is in the first descriptor when it is not empty
};

Result<UniqueFd> sealed_memory(std::string_view payload) {
  UniqueFd fd(::memfd_create("launch", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail_errno("launch channel: memfd_create");
  while (!payload.empty()) {
    const ssize_t written = ::write(fd.get(), payload.data(), payload.size());
    if (written < 0) return fail_errno("launch channel: write");
    payload.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return fail_errno("launch channel: seal");
  return fd;
}

Result<std::string> read_memory(const UniqueFd& fd, std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got =
        ::pread(fd.get(), bytes.data() + done, size - done, static_cast<off_t>(done));
    if (got <= 0) return fail(Code::invalid, "launch channel: payload is shorter than announced");
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

std::vector<UniqueFd> attached_fds(msghdr& header) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

Result<ChannelPair> make_channel() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return fail_errno("launch channel: socketpair");
  return ChannelPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<> send_message(int socket, const Message& message) {
  if (message.payload.size() > payload_limit)
    return fail(Code::invalid, "launch channel: the specification is too large");
  UniqueFd memory;
  if (!message.payload.empty()) {
    TRY_ASSIGN(memory, sealed_memory(message.payload));
  }
  std::array<int, max_fds> fds{};
  std::size_t count = 0;
  if (memory) fds[count++] = memory.get();
  for (const UniqueFd& fd : message.fds) fds.at(count++) = fd.get();

  Packet packet{static_cast<std::uint32_t>(message.type),
                static_cast<std::uint32_t>(message.payload.size())};
  iovec part{&packet, sizeof packet};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * max_fds)> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (count > 0) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
    std::memcpy(CMSG_DATA(rights), fds.data(), sizeof(int) * count);
  }
  ssize_t sent = -1;
  do sent = ::sendmsg(socket, &header, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent != sizeof packet) return fail_errno("launch channel: send");
  return {};
}

Result<Message> receive_message(int socket) {
  Packet packet;
  iovec part{&packet, sizeof packet};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * max_fds)> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t got = -1;
  do got = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno("launch channel: receive");
  std::vector<UniqueFd> fds = attached_fds(header);
  if (got == 0) return fail(Code::not_found, "launch channel: the other side is gone");
  const bool known = packet.type >= static_cast<std::uint32_t>(MessageType::build) &&
                     packet.type <= static_cast<std::uint32_t>(MessageType::ended);
  if (got != sizeof packet || (header.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0 || !known ||
      packet.size > payload_limit || (packet.size > 0 && fds.empty()))
    return fail(Code::invalid, "launch channel: malformed message");
  Message message{static_cast<MessageType>(packet.type), {}, {}};
  if (packet.size > 0) {
    TRY_ASSIGN(message.payload, read_memory(fds.front(), packet.size));
    fds.erase(fds.begin());
  }
  message.fds = std::move(fds);
  return message;
}

}  // namespace keyward::isolation
