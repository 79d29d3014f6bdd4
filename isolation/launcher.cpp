// The launcher process: forked first, privileged, single-threaded.  It makes the namespaces and the
// listener, starts the sandbox's init, and stands between broker and init until one of them is
// gone.

#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>

#include "base/environment.hpp"
#include "base/file.hpp"
#include "isolation/launch_channel.hpp"
#include "isolation/launcher_process.hpp"
#include "isolation/namespaces.hpp"
#include "isolation/peer_process.hpp"
#include "isolation/plan.hpp"
#include "isolation/sandbox_init.hpp"

namespace keyward::isolation {
namespace {

constexpr int own_failure = 125;

// What the launcher holds once the sandbox is built.
struct LauncherState {
  UniqueFd broker, init_channel, socket_diag, peer_queries;
  pid_t init = -1;
};

// With its directory resolved; "" where that is not there.
std::string in_real_directory(const std::string& path) {
  std::array<char, PATH_MAX> real{};
  const auto slash = path.find_last_of('/');
  const std::string directory = slash == 0 ? "/" : path.substr(0, slash);
  if (::realpath(directory.c_str(), real.data()) == nullptr) return {};
  const std::string resolved = real.data();
  return (resolved == "/" ? "" : resolved) + path.substr(slash);
}

// Each symbolic link on the way to the file: what is rotated by swapping a link (the kubelet's
// projected volumes) shows its next version where the link lies.  A link among the files that
// programs need cannot be covered, and names nothing but what is covered itself.
std::vector<FoundSecret> find_links(std::string path) {
  constexpr int most_links = 40;  // as the kernel (path_resolution(7))
  std::vector<FoundSecret> found;
  std::error_code error;
  path = std::filesystem::absolute(path, error).string();
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();  // a link to a directory
  for (int i = 0; i < most_links && path.starts_with('/'); ++i) {
    path = in_real_directory(path);
    std::array<char, PATH_MAX> target{};
    const ssize_t size = ::readlink(path.c_str(), target.data(), target.size() - 1);
    if (size <= 0) return found;
    const std::string directory = path.substr(0, path.find_last_of('/'));
    if (!is_shared_directory(directory.empty() ? "/" : directory)) found.push_back({path, false});
    path = target[0] == '/' ? std::string(target.data()) : directory + "/" + target.data();
  }
  return found;
}

Result<std::vector<FoundSecret>> find_secrets(const SandboxSpec& spec) {
  std::vector<FoundSecret> found;
  const auto add = [&](const std::string& path, bool required) -> Result<> {
    std::array<char, PATH_MAX> real{};
    struct stat status{};
    if (::realpath(path.c_str(), real.data()) == nullptr || ::stat(real.data(), &status) != 0) {
      if (!required && errno == ENOENT) return {};
      return fail_errno("hide " + path + " (it must exist, so that it is known to be hidden)");
    }
    if (!S_ISDIR(status.st_mode) && status.st_nlink > 1)
      return fail(Code::denied, "hide " + path +
                                    ": it has another name as well (a hard link), by "
                                    "which it would be seen; remove that one");
    for (FoundSecret& link : find_links(path)) found.push_back(std::move(link));
    found.push_back({real.data(), S_ISDIR(status.st_mode)});
    return {};
  };
  for (const std::string& path : spec.hidden) TRY(add(path, true));
  for (const std::string& path : spec.hidden_if_present) TRY(add(path, false));
  return found;
}

// A home that the image lacks becomes a directory of the private /tmp: the image is never written
// to.
Result<User> find_user(const SandboxSpec& spec) {
  Result<std::string> passwd = read_file("/etc/passwd");
  if (!passwd && passwd.error().code != Code::not_found)
    return tl::unexpected(std::move(passwd).error());
  TRY_ASSIGN(User user, resolve_user(spec.user.text, passwd.value_or("")));
  TRY(require_unused(user.uid));
  struct stat status{};
  const bool usable = !user.home.empty() && !is_shared_directory(user.home) &&
                      ::lstat(user.home.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
                      !is_below(user.home, "/tmp");
  if (!usable) user.home = "/tmp/home";
  return user;
}

Result<> make_files_directory(const std::string& directory) {
  if (directory.empty() || ::mkdir(directory.c_str(), 0755) == 0 || errno == EEXIST) return {};
  return fail_errno("mount view: " + directory +
                    " is missing and cannot be made; create it in the image");
}

Result<ViewSpec> plan_view(const SandboxSpec& spec) {
  ViewSpec view;
  TRY_ASSIGN(view.user, find_user(spec));
  TRY_ASSIGN(const auto secrets, find_secrets(spec));
  TRY_ASSIGN(const auto mounts, read_mountinfo());
  TRY_ASSIGN(view.plan, make_mount_plan(secrets, view.user.home, mounts));
  TRY(make_files_directory(spec.files_directory));
  view.files_directory = spec.files_directory;
  return view;
}

Result<pid_t> clone_init(const InitOrder& order, ChannelPair& channel) {
  // The raw call: glibc's clone wants a stack of its own, fork's behaviour is what is needed.
  const long pid = ::syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, nullptr, nullptr,
                             nullptr, nullptr);
  if (pid < 0)
    return fail_errno(
        "namespaces: no new PID and mount namespace (needs CAP_SYS_ADMIN: --cap-add SYS_ADMIN, or "
        "--level standard)");
  if (pid == 0) {
    channel.first.reset();
    run_sandbox_init(order, std::move(channel.second));
  }
  channel.second.reset();
  return static_cast<pid_t>(pid);
}

struct Built {
  BuiltSandbox sandbox;
  UniqueFd listener, queries;
};

Result<Built> build(LauncherState& state, const std::string& payload) {
  TRY_ASSIGN(const SandboxSpec spec, decode_sandbox_spec(payload));
  if (spec.level != Level::strict)
    return fail(Code::unsupported,
                "--level: this version has strict only; weaker levels are not available yet");
  TRY_ASSIGN(const ViewSpec view, plan_view(spec));
  TRY(enter_namespaces(spec.hostname));
  TRY_ASSIGN(InsideListener listener, listen_inside(spec.proxy_port));
  TRY_ASSIGN(state.socket_diag, open_socket_diag());
  TRY_ASSIGN(ChannelPair queries, make_channel());
  TRY_ASSIGN(ChannelPair channel, make_channel());
  TRY_ASSIGN(state.init, clone_init({view}, channel));
  state.init_channel = std::move(channel.first);
  state.peer_queries = std::move(queries.first);
  TRY_ASSIGN(const Message answer, receive_message(state.init_channel.get()));
  if (answer.type == MessageType::failed) {
    TRY_ASSIGN(Error error, decode_error(answer.payload));
    return tl::unexpected(std::move(error));
  }
  Built built;
  TRY_ASSIGN(built.sandbox, decode_built(answer.payload));
  built.sandbox.proxy_port = listener.port;
  built.sandbox.uid = view.user.uid;
  built.sandbox.gid = view.user.gid;
  built.sandbox.user = view.user.name;
  built.sandbox.home = view.user.home;
  built.listener = std::move(listener.socket);
  built.queries = std::move(queries.second);
  return built;
}

Result<> answer_build(LauncherState& state, const std::string& payload) {
  Result<Built> built = build(state, payload);
  if (!built)
    return send_message(state.broker.get(), {MessageType::failed, encode(built.error()), {}});
  Message answer{MessageType::built, encode(built->sandbox), {}};
  answer.fds.push_back(std::move(built->listener));
  answer.fds.push_back(std::move(built->queries));
  return send_message(state.broker.get(), answer);
}

[[noreturn]] void end_sandbox(const LauncherState& state, int code) {
  if (state.init > 0) ::kill(state.init, SIGKILL);
  ::_exit(code);
}

// What the broker asks.  An error here is the broker's end, or a channel that can no longer be
// trusted.
Result<> serve_broker(LauncherState& state) {
  TRY_ASSIGN(Message message, receive_message(state.broker.get()));
  switch (message.type) {
    case MessageType::build:
      return answer_build(state, message.payload);
    case MessageType::start:
    case MessageType::signal:
      return send_message(state.init_channel.get(), message);
    case MessageType::kill:
      if (state.init > 0) ::kill(state.init, SIGKILL);
      return {};
    default:
      return fail(Code::invalid, "launcher: unexpected message");
  }
}

// What init says goes to the broker as it is; its end without a word is the program's death by
// SIGKILL.
bool pass_on_from_init(LauncherState& state) {
  Result<Message> message = receive_message(state.init_channel.get());
  if (!message) {
    (void)send_message(state.broker.get(), {MessageType::ended, encode_number(128 + SIGKILL), {}});
    return false;
  }
  (void)send_message(state.broker.get(), *message);
  return message->type != MessageType::ended && message->type != MessageType::failed;
}

[[noreturn]] void run_launcher(UniqueFd broker) {
  LauncherState state;
  state.broker = std::move(broker);
  for (;;) {
    std::array<pollfd, 3> waiting = {{{state.broker.get(), POLLIN, 0},
                                      {state.init_channel.get(), POLLIN, 0},
                                      {state.peer_queries.get(), POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR)
      end_sandbox(state, own_failure);
    if (waiting[1].revents != 0 && !pass_on_from_init(state)) {
      if (state.init > 0)
        ::waitpid(state.init, nullptr, 0);  // all of the sandbox is gone when this returns
      ::_exit(0);
    }
    if (waiting[0].revents != 0 && !serve_broker(state)) end_sandbox(state, own_failure);
    if (waiting[2].revents != 0)
      answer_peer_query(state.peer_queries, state.socket_diag, state.init);
  }
}

}  // namespace

void become_launcher(UniqueFd broker, const std::vector<std::string>& scrub) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::prctl(PR_SET_NAME, "keyward-launch", 0, 0, 0);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  take_secret_variables(scrub);  // the values die at once; the broker has its own copy
  run_launcher(std::move(broker));
}

}  // namespace keyward::isolation
