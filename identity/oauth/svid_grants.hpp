#pragma once
// From a binding to the token or the keys of a request: JWT-SVID, whoever takes it, and cache in
// one.

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "identity/grant/binding.hpp"
#include "identity/grant/cache.hpp"
#include "identity/grant/svid_source.hpp"
#include "identity/oauth/grant_reports.hpp"
#include "identity/oauth/token_client.hpp"

namespace keyward::identity {

struct SubjectToken {
  Secret token;
  std::optional<TimePoint> expires;  // none: nobody knows
};

// The user's token for a token exchange in which the JWT-SVID is not the subject.
class SubjectTokens {
 public:
  virtual ~SubjectTokens() = default;
  // Blocks up to its own deadline; any thread.  Errors: Code::unavailable and Code::timeout where
  // there may be one later.
  virtual Result<SubjectToken> subject_for(const Grant& grant) = 0;
};

// STS.
class KeyIssuer {
 public:
  virtual ~KeyIssuer() = default;
  // Blocks up to its own deadline; any thread.  Keys that live for a second at least.  Errors never
  // hold what was sent.
  virtual tl::expected<GrantedKeys, GrantFailure> assume(const Grant& grant,
                                                         const JwtSvid& svid) = 0;
};

// What is presented in place of a JWT-SVID.
class AssertionTokens {
 public:
  virtual ~AssertionTokens() = default;
  // Any thread.  Its claims' spiffe_id is the subject.  Errors: see AgentVerdict.
  virtual Result<JwtSvid> assertion_for(const std::string& audience) = 0;
};

struct GrantDeps {  // all outlive what uses them
  JwtSvidSource& agent;
  TokenEndpoint& endpoint;
  const Clock& wall;
  const MonotonicClock& clock;
  SubjectTokens* subjects = nullptr;       // null: grants that need one fail
  KeyIssuer* key_issuer = nullptr;         // null: grants of keys fail
  X509SvidSource* certificates = nullptr;  // null: grants that present one fail
  GrantObserver* observer = nullptr;       // null: nobody is told
  AssertionTokens* assertions = nullptr;   // null: grants that need one fail
};

struct GrantSettings {
  std::string spiffe_id;                            // empty: the only one that the agent has for us
  std::chrono::milliseconds patience{10'000};       // of one request for its token
  std::chrono::milliseconds agent_patience{5'000};  // of one question to the agent
  // So many questions are under way at once, to one server and in all, whatever the sandboxed
  // program does: a server that hangs holds up its own tokens only.
  unsigned per_server = 4, workers = 32;
  CacheRules cache;
};

class SvidGrants {
 public:
  SvidGrants(GrantDeps deps, GrantSettings settings);
  SvidGrants(const SvidGrants&) = delete;
  SvidGrants& operator=(const SvidGrants&) = delete;
  ~SvidGrants();  // waits for the questions that are under way; who owns `deps` ends them before

  // The header with the token.  Blocks for at most settings.patience; any thread.  Requests for one
  // token share one question, and who gives up waiting does not end it.  An error is why there is
  // no token: the request must not be sent without.
  Result<InjectedHeader> token_for(const GrantBinding& binding);

  // Never waits: what is held, or null.  Starts a renewal that is due.
  HeldTokenPtr held_for(const GrantBinding& binding);
  // Never waits: what is held, or why there is none; nullopt: `done` is called once, by a worker,
  // when the question has ended.  Never null.
  using Done = std::function<void(Result<HeldTokenPtr>)>;
  std::optional<Result<HeldTokenPtr>> ask_for(const GrantBinding& binding, Done done);

  // The upstream answered 401 to this header: true where its token was dropped, and another one is
  // worth a single repetition.
  bool refused_by_upstream(const GrantBinding& binding, const InjectedHeader& header);
  // The same of keys, whose session the upstream has refused.
  bool keys_refused_by_upstream(const GrantBinding& binding, const netproxy::AwsCredentials& pair);

  // From now on only these: the tokens of all others are forgotten at once, and nobody is asked for
  // them.
  void keep_only(const BindingTable& table);

  std::string metrics() const;  // in Prometheus' text format

 private:
  using Steady = std::chrono::steady_clock;
  struct Waiting {  // of ask_for
    std::string identity;
    Done done;
    Steady::time_point since;
  };
  struct Question {
    bool done = false;
    HeldTokenPtr token;
    Error error;
    std::vector<Waiting> waiting;
  };
  using QuestionPtr = std::shared_ptr<Question>;
  struct Job {
    GrantCache::Flight flight;
    Grant grant;
    QuestionPtr question;
    std::string server, identity;
    bool renewal = false;
  };
  struct Proved {
    Granted granted;
    TokenLife life;
    BootTime asked;
  };
  using Proof = tl::expected<Proved, GrantFailure>;
  struct Svids {  // those that a grant uses
    JwtSvid jwt;
    std::shared_ptr<const X509Svid> x509;
    bool same_as(const Svids& other) const;
  };

  static std::string key_of(const GrantBinding& binding);
  GrantCache::Look look(const std::string& key, const GrantBinding& binding);
  bool drop(const GrantBinding& binding, const std::function<bool(const HeldToken&)>& is_it);
  std::deque<Job>::iterator next_job();
  void start_worker();
  void work(const std::stop_token& stop);
  void carry_out(const Job& job);
  void end(const Job& job, Proof proof, GrantReport report);
  static void tell(const Question& question);
  Proof prove(const Grant& grant);
  Result<Svids> svids_for(const Grant& grant);
  Result<JwtSvid> jwt_for(const Grant& grant);
  Proof prove_with(const Grant& grant, const Svids& svids);
  Proof prove_for_user(const Grant& grant, const Svids& svids);
  Proof ask_with(const Grant& grant, const Svids& svids, const Secret* subject);
  Proof prove_to_sts(const Grant& grant, const JwtSvid& svid);

  const GrantDeps deps_;
  const GrantSettings settings_;
  mutable std::mutex mutex_;  // guards what follows; not held while anybody is asked
  GrantCache cache_;
  std::optional<std::set<std::string>> allowed_;  // keys; none: all
  GrantMetrics metrics_;
  std::unordered_map<std::string, QuestionPtr> questions_;  // under way, by key
  std::deque<Job> jobs_;                                    // wait for a worker
  std::unordered_map<std::string, unsigned> asked_;         // questions under way, by server
  unsigned idle_ = 0;                                       // workers
  std::condition_variable_any job_waits_;
  std::vector<std::jthread> workers_;  // last: the others outlive them
};

}  // namespace keyward::identity
