#pragma once
// A SPIFFE agent that does what a test says: the Workload API's service on a unix socket.

#include <doctest/doctest.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "workload.grpc.pb.h"

namespace keyward::tests {

inline const std::string workload_id = "spiffe://example.org/sandbox/a";

// Claims as a real agent sends them: no jti, no nbf, no iss.
inline std::string svid_text(const std::string& subject, const std::string& audience,
                             const nlohmann::json& more = nlohmann::json::object()) {
  const auto now = SystemClock().now().time_since_epoch() / std::chrono::seconds(1);
  nlohmann::json claims = {{"sub", subject},
                           {"aud", nlohmann::json::array({audience})},
                           {"exp", now + 300},
                           {"iat", now}};
  claims.update(more);
  return base64url(R"({"alg":"ES256","kid":"k","typ":"JWT"})") + "." + base64url(claims.dump()) +
         "." + base64url("signature");
}

struct FakeAgent final : SpiffeWorkloadAPI::Service {
  using JwtAnswer = std::function<grpc::Status(const JWTSVIDRequest&, JWTSVIDResponse&)>;
  using BundlesAnswer = std::function<grpc::Status(JWTBundlesResponse&)>;

  explicit FakeAgent(const std::string& path) {
    ::unlink(path.c_str());
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    REQUIRE(server_ != nullptr);
  }
  ~FakeAgent() override { server_->Shutdown(std::chrono::system_clock::now()); }

  // A proof for who asks.
  static grpc::Status usual(const JWTSVIDRequest& request, JWTSVIDResponse& response) {
    JWTSVID* entry = response.add_svids();
    entry->set_spiffe_id(workload_id);
    entry->set_svid(svid_text(workload_id, request.audience(0)));
    return grpc::Status::OK;
  }
  void answer_jwt(JwtAnswer answer) {
    const std::lock_guard lock(mutex_);
    jwt_ = std::move(answer);
  }
  void answer_bundles(BundlesAnswer answer) {
    const std::lock_guard lock(mutex_);
    bundles_ = std::move(answer);
  }
  int calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  // What `workload.spiffe.io` said, once for each time.
  std::vector<std::string> marks() {
    const std::lock_guard lock(mutex_);
    return marks_;
  }

  grpc::Status FetchJWTSVID(grpc::ServerContext* context, const JWTSVIDRequest* request,
                            JWTSVIDResponse* response) override {
    const std::lock_guard lock(mutex_);
    note(*context);
    return jwt_(*request, *response);
  }
  grpc::Status FetchJWTBundles(grpc::ServerContext* context, const JWTBundlesRequest*,
                               grpc::ServerWriter<JWTBundlesResponse>* writer) override {
    JWTBundlesResponse response;
    {
      const std::lock_guard lock(mutex_);
      note(*context);
      if (grpc::Status status = bundles_(response); !status.ok()) return status;
    }
    writer->Write(response);
    while (!context->IsCancelled()) ::usleep(2000);  // as a real agent: the stream stays open
    return grpc::Status::CANCELLED;
  }

 private:
  void note(const grpc::ServerContext& context) {
    ++calls_;
    for (const auto& [name, value] : context.client_metadata())
      if (name == "workload.spiffe.io") marks_.emplace_back(value.data(), value.size());
  }

  std::mutex mutex_;  // guards what follows, from which answers are made
  JwtAnswer jwt_ = usual;
  BundlesAnswer bundles_ = [](JWTBundlesResponse&) {
    return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no bundles");
  };
  int calls_ = 0;
  std::vector<std::string> marks_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace keyward::tests
