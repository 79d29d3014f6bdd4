// The payloads of the launch channel (isolation/launch_channel.hpp): little-endian numbers and
// length-prefixed strings, in the order of the struct.

#include <cstring>
#include <map>

#include "isolation/launch_channel.hpp"

namespace keyward::isolation {
namespace {

class Writer {
 public:
  Writer& number(std::int64_t value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes_.append(raw, sizeof raw);
    return *this;
  }
  Writer& text(std::string_view value) {
    number(static_cast<std::int64_t>(value.size()));
    bytes_ += value;
    return *this;
  }
  Writer& list(const std::vector<std::string>& values) {
    number(static_cast<std::int64_t>(values.size()));
    for (const std::string& value : values) text(value);
    return *this;
  }
  Writer& map(const std::map<std::string, std::string>& values) {
    number(static_cast<std::int64_t>(values.size()));
    for (const auto& [key, value] : values) text(key).text(value);
    return *this;
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads as far as the bytes go; `ok` says in the end whether all of it made sense.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  std::int64_t number() {
    std::int64_t value = 0;
    if (bytes_.size() < sizeof value) return broken();
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }
  std::int64_t number(std::int64_t low, std::int64_t high) {
    const std::int64_t value = number();
    return value < low || value > high ? broken() : value;
  }
  std::string text() {
    const auto size = static_cast<std::size_t>(number(0, static_cast<std::int64_t>(bytes_.size())));
    if (size > bytes_.size()) return broken(), std::string();
    std::string value(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return value;
  }
  std::vector<std::string> list() {
    std::vector<std::string> values;
    for (std::int64_t left = count(1); ok_ && left > 0; --left) values.push_back(text());
    return values;
  }
  std::map<std::string, std::string> map() {
    std::map<std::string, std::string> values;
    for (std::int64_t left = count(2); ok_ && left > 0; --left) {
      std::string key = text();
      values[std::move(key)] = text();
    }
    return values;
  }
  bool finished() const { return ok_ && bytes_.empty(); }

 private:
  // An element takes at least the size of its length fields, so a count is bounded by what is
  // there.
  std::int64_t count(std::int64_t fields) {
    const std::int64_t value = number();
    return value < 0 || value > static_cast<std::int64_t>(bytes_.size()) / (8 * fields) ? broken()
                                                                                        : value;
  }
  std::int64_t broken() {
    ok_ = false;
    bytes_ = {};
    return 0;
  }
  std::string_view bytes_;
  bool ok_ = true;
};

template <class T>
Result<T> finished(const Reader& reader, T value) {
  if (!reader.finished()) return fail(Code::invalid, "launch channel: malformed payload");
  return value;
}

constexpr std::int64_t max_id = 0xfffffffe;  // (uid_t)-1 means "unchanged" to the kernel

}  // namespace

std::string encode(const SandboxSpec& spec) {
  return Writer()
      .number(static_cast<std::int64_t>(spec.level))
      .text(spec.user.text)
      .list(spec.hidden)
      .list(spec.hidden_if_present)
      .number(spec.proxy_port)
      .text(spec.hostname)
      .text(spec.files_directory)
      .take();
}

Result<SandboxSpec> decode_sandbox_spec(std::string_view bytes) {
  Reader reader(bytes);
  SandboxSpec spec;
  spec.level = static_cast<Level>(reader.number(0, static_cast<std::int64_t>(Level::same_uid)));
  spec.user.text = reader.text();
  spec.hidden = reader.list();
  spec.hidden_if_present = reader.list();
  spec.proxy_port = static_cast<std::uint16_t>(reader.number(0, 65535));
  spec.hostname = reader.text();
  spec.files_directory = reader.text();
  return finished(reader, std::move(spec));
}

std::string encode(const ProgramSpec& spec) {
  return Writer()
      .list(spec.arguments)
      .list(spec.environment)
      .text(spec.directory)
      .map(spec.files)
      .list(spec.filesystem.read_only)
      .list(spec.filesystem.read_write)
      .number(spec.filesystem.best_effort ? 1 : 0)
      .take();
}

Result<ProgramSpec> decode_program_spec(std::string_view bytes) {
  Reader reader(bytes);
  ProgramSpec spec;
  spec.arguments = reader.list();
  spec.environment = reader.list();
  spec.directory = reader.text();
  spec.files = reader.map();
  spec.filesystem.read_only = reader.list();
  spec.filesystem.read_write = reader.list();
  spec.filesystem.best_effort = reader.number(0, 1) == 1;
  return finished(reader, std::move(spec));
}

std::string encode(const Error& error) {
  return Writer().number(static_cast<std::int64_t>(error.code)).text(error.what).take();
}

Result<Error> decode_error(std::string_view bytes) {
  Reader reader(bytes);
  Error error;
  error.code = static_cast<Code>(reader.number(0, static_cast<std::int64_t>(Code::internal)));
  error.what = reader.text();
  return finished(reader, std::move(error));
}

std::string encode(const BuiltSandbox& built) {
  return Writer()
      .number(built.proxy_port)
      .number(built.uid)
      .number(built.gid)
      .text(built.user)
      .text(built.home)
      .map(built.evidence)
      .take();
}

Result<BuiltSandbox> decode_built(std::string_view bytes) {
  Reader reader(bytes);
  BuiltSandbox built;
  built.proxy_port = static_cast<std::uint16_t>(reader.number(1, 65535));
  built.uid = static_cast<uid_t>(reader.number(0, max_id));
  built.gid = static_cast<gid_t>(reader.number(0, max_id));
  built.user = reader.text();
  built.home = reader.text();
  built.evidence = reader.map();
  return finished(reader, std::move(built));
}

std::string encode_number(std::int64_t number) { return Writer().number(number).take(); }

Result<std::int64_t> decode_number(std::string_view bytes) {
  Reader reader(bytes);
  const std::int64_t value = reader.number();
  return finished(reader, value);
}

}  // namespace keyward::isolation
