#include "supervisor/control_socket.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>

#include "base/log.hpp"

namespace keyward::supervisor {
namespace {

constexpr std::size_t question_limit = 4096;
constexpr std::size_t answer_limit = 65536;
constexpr int backlog = 8;
constexpr timeval peer_timeout{2, 0};     // a peer that says nothing must not hold up the others
constexpr timeval answer_timeout{60, 0};  // a refresh may wait for the gateway

std::string directory_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!path.starts_with('/') || directory_of(path).empty())
    return fail(Code::invalid,
                "control socket: " + path + " must be an absolute path in a directory of its own");
  if (path.size() >= sizeof address.sun_path)
    return fail(Code::invalid, "control socket: " + path + " is too long for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// Exists, is a directory (no link), belongs to us and admits nobody else.
Result<> private_directory(const std::string& path) {
  const std::string where = "control socket: " + path;
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(where);
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return fail_errno(where);
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 077) != 0)
    return fail(Code::denied, where + ": must be a directory of root's with mode 0700");
  return {};
}

Result<UniqueFd> connect_to(const std::string& path) {
  TRY_ASSIGN(const sockaddr_un address, address_of(path));
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("control socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail_errno("control socket " + path);
  return fd;
}

void set_timeouts(const UniqueFd& fd, const timeval& limit) {
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

bool is_root(const UniqueFd& peer) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  return ::getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 &&
         credentials.uid == 0;
}

// One packet.  A larger one than the limit is refused, not cut.
Result<Secret> receive(const UniqueFd& fd, std::size_t limit) {
  std::string buffer(limit, '\0');
  const ssize_t got = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_TRUNC);
  if (got < 0) return fail_errno("control socket");
  if (got == 0 || static_cast<std::size_t>(got) > limit)
    return fail(Code::invalid, "control socket: empty or oversized message");
  Secret message(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
  wipe(buffer.data(), static_cast<std::size_t>(got));
  return message;
}

Result<> send_packet(const UniqueFd& fd, std::string text) {
  const Secret message = Secret::take(text);  // an answer may hold the token
  if (::send(fd.get(), message.reveal().data(), message.size(), MSG_NOSIGNAL) < 0)
    return fail_errno("control socket");
  return {};
}

}  // namespace

std::string default_control_path() {
  return std::string(control_directory) + "/" + std::to_string(::getpid()) + "/control.sock";
}

Result<std::unique_ptr<ControlSocket>> ControlSocket::open(const std::string& path,
                                                           DebugTarget& target) {
  TRY_ASSIGN(const sockaddr_un address, address_of(path));
  const std::string directory = directory_of(path);
  if (directory.starts_with(std::string(control_directory) + "/"))
    TRY(private_directory(control_directory));
  TRY(private_directory(directory));
  // What a killed supervisor left behind; nobody else can have put anything there.
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("control socket: " + path);
  UniqueFd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!listener || !wake) return fail_errno("control socket");
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(listener.get(), backlog) != 0)
    return fail_errno("control socket: " + path);
  Listener open{path, std::move(listener), std::move(wake)};
  return std::unique_ptr<ControlSocket>(new ControlSocket(std::move(open), target));
}

ControlSocket::ControlSocket(Listener open, DebugTarget& target)
    : path_(std::move(open.path)),
      listener_(std::move(open.listener)),
      wake_(std::move(open.wake)),
      target_(target),
      thread_([this](const std::stop_token& stop) { serve(stop); }) {}

ControlSocket::~ControlSocket() {
  thread_.request_stop();
  (void)::eventfd_write(wake_.get(), 1);
  thread_.join();
  (void)::unlink(path_.c_str());
  if (path_ == default_control_path()) (void)::rmdir(directory_of(path_).c_str());
}

void ControlSocket::serve(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    pollfd waiting[] = {{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0 || waiting[0].revents == 0) continue;
    const UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer) continue;
    if (!is_root(peer)) {
      log::warn("control_refused", {{"reason", "the peer is not root"}});
      continue;
    }
    try {
      answer_one(peer);
    } catch (const std::exception&) {  // of a library: this thread must go on
      log::error("control_failed");
    }
  }
}

void ControlSocket::answer_one(const UniqueFd& peer) {
  set_timeouts(peer, peer_timeout);
  const Result<Secret> text = receive(peer, question_limit);
  if (!text) return;
  const Result<DebugQuestion> question = parse_question(text->reveal());
  const DebugAnswer said =
      question ? answer(*question, target_)
               : error_answer(identity::grpc_invalid_argument, question.error().what);
  (void)send_packet(peer, to_json(said));  // a peer that is gone needs no answer
}

Result<std::unique_ptr<ControlSocket>> open_control_socket(const std::string& named,
                                                           DebugTarget& target) {
  auto socket = ControlSocket::open(named.empty() ? default_control_path() : named, target);
  if (socket) return socket;
  if (!named.empty()) return fail_at("KEYWARD_CONTROL_SOCKET", std::move(socket).error());
  log::warn("no_control_socket",
            {{"detail", socket.error().what}, {"effect", "debug-rpc cannot ask this supervisor"}});
  return nullptr;
}

Result<DebugAnswer> ask_supervisor(const std::string& path, const DebugQuestion& question) {
  TRY_ASSIGN(const UniqueFd fd, connect_to(path));
  set_timeouts(fd, answer_timeout);
  TRY(send_packet(fd, to_json(question)));
  TRY_ASSIGN(const Secret text, receive(fd, answer_limit));
  return parse_answer(text.reveal());
}

std::vector<std::string> running_supervisors(const std::string& named) {
  std::vector<std::string> found;
  if (!named.empty()) {
    if (connect_to(named)) found.push_back(named);
    return found;
  }
  std::error_code error;
  for (std::filesystem::directory_iterator entry(control_directory, error), end;
       !error && entry != end; entry.increment(error)) {
    const std::string path = entry->path().string() + "/control.sock";
    if (connect_to(path)) found.push_back(path);
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace keyward::supervisor
