#pragma once
// SvidGrants with an agent, a token endpoint and a clock that a test speaks for.
#include "identity/oauth/svid_grants.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <functional>

namespace keyward::identity::tests {

using namespace std::chrono_literals;

struct FakeAgent final : JwtSvidSource {
  std::atomic<int> asked{0};
  std::function<Result<JwtSvid>(const JwtSvidRequest&, int)> answer =
      [](const JwtSvidRequest& request, int) { return svid_for(request, "svid"); };
  static Result<JwtSvid> svid_for(const JwtSvidRequest& request, const std::string& token) {
    const TimePoint now = SystemClock().now();
    return JwtSvid{Secret(token + "-for-" + request.audience.substr(8)),
                   {request.spiffe_id, request.audience, "ES256", now + 300s, now, false, false},
                   ""};
  }
  Result<JwtSvid> fetch_jwt_svid(const JwtSvidRequest& request,
                                 std::chrono::milliseconds) override {
    return answer(request, ++asked);
  }
};

struct FakeCertificates final : X509SvidSource {
  std::mutex mutex;  // guards what follows
  Result<std::shared_ptr<const X509Svid>> current = svid("one");
  static std::shared_ptr<const X509Svid> svid(const std::string& name) {
    X509Svid made;
    made.spiffe_id = "spiffe://example.org/a";
    made.certificates_pem = "certificate-" + name;
    made.key_pem = Secret("key-" + name);
    return std::make_shared<const X509Svid>(std::move(made));
  }
  void set(Result<std::shared_ptr<const X509Svid>> next) {
    const std::lock_guard lock(mutex);
    current = std::move(next);
  }
  Result<std::shared_ptr<const X509Svid>> x509_svid(std::chrono::milliseconds) override {
    const std::lock_guard lock(mutex);
    return current;
  }
};

struct FakeEndpoint final : TokenEndpoint {
  using Answer = tl::expected<GrantedToken, GrantFailure>;
  std::atomic<int> asked{0};
  std::atomic<bool> answered{false};  // for answers that wait; it outlives the workers that do
  std::mutex mutex;                   // guards what follows
  std::vector<std::string> forms;
  std::function<Answer(int)> answer = [](int number) {
    return Answer(GrantedToken{Secret("token" + std::to_string(number)), 600s, ""});
  };
  std::vector<std::string> presented;  // certificate and key; empty: none
  Answer ask(const Grant&, const Secret& form, const ClientCertificate* certificate) override {
    const int number = ++asked;
    const std::lock_guard lock(mutex);
    forms.emplace_back(form.reveal());
    presented.push_back(certificate == nullptr ? ""
                                               : certificate->certificates_pem + "/" +
                                                     std::string(certificate->key_pem.reveal()));
    return answer(number);
  }
};

struct FakeClock final : MonotonicClock {
  std::atomic<std::int64_t> ahead{0};  // seconds
  BootTime now() const override {
    return BootTime(1'000'000s + std::chrono::seconds(ahead.load()));
  }
};

struct Fixture {
  FakeAgent agent;
  FakeCertificates certificates;
  FakeEndpoint endpoint;
  FakeClock clock;
  SystemClock wall;
  GrantBinding binding;
  GrantSettings settings;
  std::optional<SvidGrants> grants;

  Fixture() {
    binding.identity = "provider:credential";
    binding.where = {"api.example", 443, ""};
    binding.grant.token_endpoint = "https://as.example/token";
    binding.grant.svid_audience = "https://as.example";
    settings.spiffe_id = "spiffe://example.org/a";
    settings.patience = 20s;
  }
  SvidGrants& made() {
    if (!grants)
      grants.emplace(GrantDeps{agent, endpoint, wall, clock, nullptr, nullptr, &certificates},
                     settings);
    return *grants;
  }
  std::string ask() {
    const auto header = made().token_for(binding);
    return header ? std::string(header->value.reveal()) : header.error().what;
  }
};

inline bool has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

inline void wait_until(const std::function<bool()>& ready) {
  for (int i = 0; i < 5000 && !ready(); ++i) std::this_thread::sleep_for(2ms);
  REQUIRE(ready());
}

inline tl::unexpected<GrantFailure> refused(Code code, const char* oauth_error) {
  return tl::unexpected(
      GrantFailure{{code, std::string("refused: ") + oauth_error}, oauth_error, 30s});
}

}  // namespace keyward::identity::tests
