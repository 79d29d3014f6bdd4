#pragma once
// A connection that coroutines can wait on: the transport tries, the loop waits.

#include <list>
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "netproxy/io/loop.hpp"
#include "netproxy/tls/transport.hpp"

namespace keyward::netproxy {

// One reader and one writer may wait at a time.  Errors: Code::timeout after the deadline,
// Code::unavailable after cancel(), Code::io with the socket's or TLS's own words.
class Stream {
 public:
  Stream(Loop& loop, UniqueFd socket);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  // Whole, and on its way when the task ends.
  Task<Result<>> write(std::string_view bytes);
  // A head with the first bytes of its body in one TLS record; no copy of it is left.
  Task<Result<>> write(std::string_view head, std::string_view body);
  Task<Result<>> handshake(SslPtr ssl);
  Task<Result<>> finish();  // no more bytes from us

  Task<Result<>> wait(Io direction);  // Io::want_read or Io::want_write
  // False: nothing came in that time; the stream stays usable.
  Task<Result<bool>> wait_readable(std::chrono::milliseconds at_most);

  // Everything that waits longer fails with Code::timeout.
  void expire_in(std::chrono::milliseconds time) {
    deadline_ = loop_.now() + time;
    patience_ = {};
  }
  // Likewise, but the time begins anew with all that is read or written: for transfers of any
  // length.
  void expire_without_progress(std::chrono::milliseconds time) {
    expire_in(time);
    patience_ = time;
  }
  // True now and then: whoever reads without ever waiting lets the others of the loop have a turn.
  bool has_had_its_turn() { return ++reads_ % reads_at_a_time == 0; }
  void progressed() {
    if (patience_.count() > 0) deadline_ = loop_.now() + patience_;
  }
  bool expired() const { return expired_; }
  void cancel();  // for good
  // Between two requests: it may be ended at any time.
  void set_idle(bool idle) { idle_ = idle; }
  bool idle() const { return idle_; }
  void interrupt();  // whoever waits now gets Code::unavailable; the stream stays usable
  // An idle stream that should have nothing to read: nothing has been reported of it, which costs
  // no look at the socket.
  bool is_quiet() const {
    return !readiness_.has_report() && !readiness_.is_urgent() && !transport_.may_read();
  }
  // The peer shall see a broken connection, not an orderly end.
  void break_off();
  // While set: when the peer hangs up, `other` is cancelled (seen by the tick).
  void cancel_on_hangup(Stream* other) { bound_ = other; }

  Transport& transport() { return transport_; }
  Loop& loop() { return loop_; }
  int socket() const { return socket_.get(); }

 private:
  friend class Loop;
  void check(SteadyTime now);
  bool hung_up();
  Result<> state() const;

  Loop& loop_;
  UniqueFd socket_;
  Readiness readiness_;
  Transport transport_;
  std::list<Stream*>::iterator entry_;
  SteadyTime deadline_ = SteadyTime::max();
  SteadyTime soft_deadline_ = SteadyTime::max();
  std::chrono::milliseconds patience_{};  // zero: the deadline stands
  Stream* bound_ = nullptr;
  bool idle_ = false;
  bool expired_ = false;
  bool cancelled_ = false;
  bool soft_expired_ = false;
  bool interrupted_ = false;
  int waiting_ = 0;
  static constexpr unsigned reads_at_a_time = 16;
  unsigned reads_ = 0;
};

}  // namespace keyward::netproxy
