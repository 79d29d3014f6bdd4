#pragma once
// The messages between broker, launcher and sandbox init: one enum, typed packets over a
// SOCK_SEQPACKET socketpair, file descriptors by SCM_RIGHTS.  A payload travels in a sealed memfd,
// so that its size is not limited by the socket's buffer and the sender cannot change it while it
// is read.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "isolation/sandbox.hpp"

namespace keyward::isolation {

enum class MessageType : std::uint32_t {
  build = 1,  // broker → launcher → init: SandboxSpec / BuildOrder
  start,      // broker → launcher → init: ProgramSpec
  signal,     // broker → launcher → init: number
  kill,       // broker → launcher
  built,      // init → launcher → broker: BuiltSandbox, its descriptors attached
  started,    // init → launcher → broker
  failed,     // init → launcher → broker: Error
  ended,      // init → launcher → broker: Exit
};

struct Message {
  MessageType type = MessageType::failed;
  std::string payload;
  std::vector<UniqueFd> fds;
};

constexpr std::size_t payload_limit = std::size_t{8} << 20;  // bytes

Result<> send_message(int socket, const Message& message);
// Blocks.  Code::not_found: the other side is gone.
Result<Message> receive_message(int socket);

// Two connected ends, close-on-exec.
struct ChannelPair {
  UniqueFd first, second;
};
Result<ChannelPair> make_channel();

// Bounded, strict codecs: trailing bytes, over-long counts and values outside an enum are errors.
std::string encode(const SandboxSpec& spec);
std::string encode(const ProgramSpec& spec);
std::string encode(const Error& error);
std::string encode(const BuiltSandbox& built);  // without descriptors
std::string encode_number(std::int64_t number);
Result<SandboxSpec> decode_sandbox_spec(std::string_view bytes);
Result<ProgramSpec> decode_program_spec(std::string_view bytes);
Result<Error> decode_error(std::string_view bytes);
Result<BuiltSandbox> decode_built(std::string_view bytes);
Result<std::int64_t> decode_number(std::string_view bytes);

}  // namespace keyward::isolation
