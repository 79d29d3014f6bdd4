#pragma once
// Bytes that have arrived on a stream and are not consumed yet.  The buffer comes from the thread's
// free list and goes back whenever nothing is in it, so that an idle connection holds none.

#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "netproxy/io/buffer.hpp"
#include "netproxy/io/stream.hpp"

namespace keyward::netproxy {

class Inbox {
 public:
  std::string_view view() const { return {start_, end_ - begin_}; }
  bool empty() const { return begin_ == end_; }
  bool full() const { return end_ - begin_ == buffer_size; }
  void consume(std::size_t count);
  void clear() { consume(end_ - begin_); }
  // Waits for bytes; 0 is the orderly end.  Not to be called when full.
  Task<Result<std::size_t>> fill(Stream& stream);
  // What is there now: `state` says what to wait for when it is nothing.
  Result<std::size_t> try_fill(Transport& transport, Io& state);
  // Hands the whole content over and leaves the inbox empty.
  std::pair<Buffer, std::string_view> release();

 private:
  void make_room();

  Buffer buffer_;
  const char* start_ = nullptr;  // buffer + begin
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace keyward::netproxy
