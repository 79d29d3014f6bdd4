#pragma once
// A body whose chunks are signed, on its way from the client to the upstream.

#include <string>
#include <vector>

#include "netproxy/io/upload.hpp"
#include "netproxy/sigv4/chunk_resigner.hpp"

namespace keyward::netproxy {

// Streams what ChunkResigner says is ready; an S3 error of it ends the upload with a Problem that
// holds S3's document.  Without a planned Content-Length it leaves in the chunked coding.
class ResignedUpload final : public Upload {
 public:
  // Client stream, inbox and head outlive the upload.
  struct Way {
    Stream& client;
    Inbox& inbox;
    const RequestHead& head;  // as the client sent its framing
    std::string resource;     // for the error document
  };
  ResignedUpload(const Way& way, const AwsChunkedBody& body, ChunkResigner::Sides sides);

  Task<Answer<>> gather() override;
  bool has_waited() const override { return false; }
  std::string_view gathered() const override { return {}; }
  bool complete() const override { return complete_; }
  void forget_gathered() override {}
  Task<Answer<>> send(Stream& upstream) override;
  std::uint64_t bytes() const override { return sent_; }

 private:
  // The stretches of content in what has arrived.
  class Stretches final : public ContentWatcher {
   public:
    void content(std::string_view bytes) override { parts.push_back(bytes); }
    std::vector<std::string_view> parts;
  };

  Task<Answer<>> pass_on(Stream& upstream);
  Task<Answer<>> feed(Stream& upstream, std::string_view content);
  Task<Answer<>> send_ready(Stream& upstream);
  Task<Answer<>> send_end(Stream& upstream);
  Task<Answer<>> write(Stream& upstream, std::string frame, std::string_view bytes);
  tl::unexpected<Problem> refused(const S3Error& error) const;

  Stream& client_;
  Inbox& inbox_;
  BodyFraming framing_;
  std::string resource_;
  bool chunked_;  // how it leaves
  ChunkResigner resigner_;
  Stretches stretches_;
  bool begun_ = false;
  bool complete_ = false;
  std::uint64_t sent_ = 0;
};

}  // namespace keyward::netproxy
