#pragma once
// A request's body on its way from the client to the upstream.

#include <memory>

#include "netproxy/io/body_check.hpp"
#include "netproxy/io/inbox.hpp"
#include "netproxy/io/refusal.hpp"

namespace keyward::netproxy {

class Upload {
 public:
  Upload() = default;
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;
  virtual ~Upload() = default;

  // Collects a body that fits into the buffer, so that it can leave with the head in one write.
  // Does nothing for larger ones and for clients that wait for 100 Continue.
  virtual Task<Answer<>> gather() = 0;
  virtual bool has_waited() const = 0;  // gather(), for the client
  // Gathered bytes, checked: the whole body when complete().
  virtual std::string_view gathered() const = 0;
  virtual bool complete() const = 0;
  virtual void forget_gathered() = 0;  // they were sent

  // Sends everything.  A Problem that is_body_fault: the upstream has not seen the body's end; any
  // other: the upstream does not take it.
  virtual Task<Answer<>> send(Stream& upstream) = 0;
  virtual std::uint64_t bytes() const = 0;
};

// A body that passes as it is, within two buffers.  With a check, the last 64 KiB (or the whole of
// a smaller body) are held back until it has agreed: what the client declared wrongly never arrives
// completely.
class PlainUpload final : public Upload {
 public:
  // Client stream and inbox outlive the upload.
  PlainUpload(Stream& client, Inbox& inbox, const RequestHead& head,
              std::unique_ptr<BodyCheck> check);
  void forbid_trailers() { framing_.forbid_trailers(); }
  // What is wrong with the body is told as S3 tells it.
  void speak_s3(std::string resource) { s3_resource_ = std::move(resource); }

  Task<Answer<>> gather() override;
  bool has_waited() const override { return has_waited_; }
  std::string_view gathered() const override;  // at the front of the client's inbox
  bool complete() const override { return framing_.done() && judged_; }
  void forget_gathered() override;
  Task<Answer<>> send(Stream& upstream) override;
  std::uint64_t bytes() const override { return sent_; }

 private:
  Answer<> judge();  // looks at what has arrived
  tl::unexpected<Problem> refused(const S3Error& error) const;
  Task<Answer<>> receive();
  Task<Answer<>> forward(Stream& upstream, std::string_view bytes);
  Task<Answer<>> send_front(Stream& upstream);

  Stream& client_;
  Inbox& inbox_;
  BodyFraming framing_;
  std::unique_ptr<BodyCheck> check_;
  std::optional<std::string> s3_resource_;
  bool waits_for_continue_;
  bool has_waited_ = false;
  bool judged_ = false;    // the check has agreed
  std::size_t ready_ = 0;  // bytes at the front of the inbox that belong to the body
  Buffer held_;
  std::string_view held_bytes_;
  std::uint64_t sent_ = 0;
};

}  // namespace keyward::netproxy
