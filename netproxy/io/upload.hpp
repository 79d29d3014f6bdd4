#pragma once
// A request's body on its way from the client to the upstream.

#include <memory>

#include "netproxy/io/body_check.hpp"
#include "netproxy/io/inbox.hpp"
#include "netproxy/io/refusal.hpp"

namespace keyward::netproxy {

// Streams within two buffers.  With a check, the last 64 KiB (or the whole of a smaller body) are
// held back until it has agreed: what the client declared wrongly never arrives completely.
class Upload {
 public:
  // Client stream and inbox outlive the upload.
  Upload(Stream& client, Inbox& inbox, const RequestHead& head, std::unique_ptr<BodyCheck> check);

  // Collects a body that fits into the buffer, so that it can leave with the head in one write.
  // Does nothing for larger ones and for clients that wait for 100 Continue.
  Task<Answer<>> gather();
  // Gathered bytes, at the front of the client's inbox, checked: the whole body when complete().
  std::string_view gathered() const;
  bool complete() const { return framing_.done() && judged_; }
  void forget_gathered();  // they were sent

  // Sends everything.  Problem with status 400: the client's body is at fault, and the upstream has
  // not seen its end; any other: the upstream does not take it.
  Task<Answer<>> send(Stream& upstream);
  std::uint64_t bytes() const { return sent_; }

 private:
  Answer<> judge();  // looks at what has arrived
  Task<Answer<>> receive();
  Task<Answer<>> forward(Stream& upstream, std::string_view bytes);
  Task<Answer<>> send_front(Stream& upstream);

  Stream& client_;
  Inbox& inbox_;
  BodyFraming framing_;
  std::unique_ptr<BodyCheck> check_;
  bool waits_for_continue_;
  bool judged_ = false;    // the check has agreed
  std::size_t ready_ = 0;  // bytes at the front of the inbox that belong to the body
  Buffer held_;
  std::string_view held_bytes_;
  std::uint64_t sent_ = 0;
};

}  // namespace keyward::netproxy
