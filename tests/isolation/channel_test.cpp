#include "isolation/launch_channel.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "isolation/seccomp_filter.hpp"

using namespace keyward;
using namespace keyward::isolation;

namespace {

ProgramSpec example_program() {
  ProgramSpec program;
  program.arguments = {"/bin/sh", "-c", ""};
  program.environment = {"A=1", "B="};
  program.directory = "/work";
  program.files = {{"/etc/openshell-tls/ca.pem", std::string("a\0b", 3)}};
  program.filesystem = {{"/usr"}, {"/work"}, true};
  return program;
}

}  // namespace

TEST_CASE("channel: specifications survive the way") {
  SandboxSpec spec;
  spec.user.text = "agent:5";
  spec.hidden = {"/a", "/b"};
  spec.proxy_port = 3128;
  spec.files_directory = "/etc/openshell-tls";
  const auto sandbox = decode_sandbox_spec(encode(spec));
  REQUIRE(sandbox.has_value());
  CHECK(sandbox->user.text == "agent:5");
  CHECK(sandbox->hidden == spec.hidden);
  CHECK(sandbox->proxy_port == 3128);
  const auto program = decode_program_spec(encode(example_program()));
  REQUIRE(program.has_value());
  CHECK(program->arguments == example_program().arguments);
  CHECK(program->files == example_program().files);
  CHECK(program->filesystem.best_effort);
}

TEST_CASE("channel: every truncation and every extra byte is refused") {
  const std::string whole = encode(example_program());
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(decode_program_spec(whole.substr(0, size)).has_value());
  CHECK_FALSE(decode_program_spec(whole + "x").has_value());
}

TEST_CASE("channel: counts and values outside their range are refused") {
  CHECK_FALSE(
      decode_program_spec(encode_number(1'000'000'000) + std::string(64, '\0')).has_value());
  CHECK_FALSE(decode_program_spec(encode_number(-1)).has_value());
  CHECK_FALSE(decode_sandbox_spec(encode_number(99)).has_value());
  CHECK_FALSE(decode_error(encode_number(1000) + encode_number(0)).has_value());
}

TEST_CASE("channel: messages carry large payloads and descriptors") {
  auto pair = make_channel();
  REQUIRE(pair.has_value());
  Message message{MessageType::built, std::string(3'000'000, 'x'), {}};
  message.fds.emplace_back(::dup(STDOUT_FILENO));
  REQUIRE(send_message(pair->first.get(), message).has_value());
  const auto received = receive_message(pair->second.get());
  REQUIRE(received.has_value());
  CHECK(received->type == MessageType::built);
  CHECK(received->payload == message.payload);
  CHECK(received->fds.size() == 1);
}

TEST_CASE("channel: malformed packets and a closed end are errors") {
  auto pair = make_channel();
  REQUIRE(pair.has_value());
  const std::uint32_t unknown[2] = {99, 0}, lying[2] = {1, 10};
  REQUIRE(::send(pair->first.get(), unknown, sizeof unknown, 0) == sizeof unknown);
  CHECK_FALSE(receive_message(pair->second.get()).has_value());
  REQUIRE(::send(pair->first.get(), lying, sizeof lying, 0) == sizeof lying);
  CHECK_FALSE(receive_message(pair->second.get()).has_value());
  pair->first.reset();
  CHECK(receive_message(pair->second.get()).error().code == Code::not_found);
}

TEST_CASE("seccomp: both filters compile") {
  CHECK(compile_child_filter().value().size() > 100);
  CHECK(compile_broker_filter().value().size() > 20);
}
