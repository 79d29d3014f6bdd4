#include "supervisor/doctor_identity.hpp"

#include <set>

#include "base/file.hpp"
#include "identity/jwt/jws.hpp"
#include "identity/jwt/sandbox_token.hpp"
#include "identity/oauth/assertion_files.hpp"
#include "identity/rpc/health.hpp"
#include "identity/rpc/tls_files.hpp"
#include "identity/spiffe/agent.hpp"
#include "identity/token/source.hpp"
#include "supervisor/agent_tls.hpp"
#include "supervisor/control_socket.hpp"
#include "supervisor/grant_settings.hpp"
#include "supervisor/token_check.hpp"

namespace keyward::supervisor {
namespace {

using std::chrono::seconds;

constexpr std::chrono::milliseconds agent_patience{3'000};
constexpr seconds skew_limit = identity::clock_leeway;

class Examination {
 public:
  Examination(const Config& config, const Clock& clock, Findings& findings)
      : config_(config),
        gateway_(config.gateway ? &*config.gateway : nullptr),
        clock_(clock),
        findings_(findings) {}

  void look_at_token(SecretVariables& secrets);
  void look_at_gateway();
  void look_at_agent();
  void look_at_assertions();

 private:
  using TokenPtr = std::shared_ptr<const identity::Token>;

  void good(const char* check, std::string detail) {
    findings_.push_back({check, Health::good, std::move(detail), ""});
  }
  void note(const char* check, std::string detail) {
    findings_.push_back({check, Health::note, std::move(detail), ""});
  }
  void fix(const char* check, std::string detail) {
    findings_.push_back({check, Health::fix, std::move(detail), ""});
  }
  const GatewaySettings& gateway() const { return *gateway_; }

  bool look_at_running_supervisor();
  void take(const TokenPtr& token, const std::string& from);
  void take_service_account(const std::string& path);
  void compare_clocks(const identity::GatewayHealth& health);
  void look_at_access(const identity::AgentTls& tls);
  void refuse_agent(const Error& error);
  void describe_agent(identity::SpiffeAgent& agent, const identity::X509Svid& svid);

  const Config& config_;
  const GatewaySettings* const gateway_;  // null: what asks about it is not called
  const Clock& clock_;
  Findings& findings_;
  TokenPtr token_;  // null: none that this program could present
};

std::string duration_text(seconds time) { return std::to_string(time.count()) + " s"; }

// The one that runs here holds the token, and has refreshed it perhaps.
bool Examination::look_at_running_supervisor() {
  const std::vector<std::string> running = running_supervisors(gateway().control_socket);
  if (running.size() != 1) return false;
  const auto held = ask_supervisor(running.front(), {DebugCommand::show_token, "", false});
  if (!held || *held->integer("code") != 0) return false;
  const std::string* id = held->text("sandbox_id");
  const std::string* fingerprint = held->text("fingerprint");
  if (id == nullptr || fingerprint == nullptr) return false;
  good("token", "the supervisor at " + running.front() + " holds it for sandbox " + *id +
                    ", fingerprint " + *fingerprint);
  const auto known =
      ask_supervisor(running.front(), {DebugCommand::get_sandbox_config, *id, false});
  if (known && *known->integer("code") == 0)
    good("access", "the gateway knows sandbox " + *id + " and takes the token");
  else if (known)
    fix("access", *known->text("error"));
  else
    fix("access", known.error().what);
  return true;
}

void Examination::look_at_token(SecretVariables& secrets) {
  if (look_at_running_supervisor()) return;
  auto acquired = identity::acquire_token({std::move(secrets["OPENSHELL_SANDBOX_TOKEN"]),
                                           gateway().token_file, gateway().kubernetes_token_file});
  if (!acquired) return fix("token", acquired.error().what);
  if (acquired->service_account) return take_service_account(gateway().kubernetes_token_file);
  const auto& file = acquired->file;
  if (!file) return take(acquired->token, "OPENSHELL_SANDBOX_TOKEN");
  take(acquired->token, "OPENSHELL_SANDBOX_TOKEN_FILE");
  if (const std::string obstacle = file->write_obstacle(); !obstacle.empty())
    note("token", obstacle + ": a refreshed token is not kept, and a restart needs a new one");
}

void Examination::take(const TokenPtr& token, const std::string& from) {
  if (token->issued > clock_.now() + skew_limit)
    fix("clock", "the token is from the future, by " +
                     duration_text(std::chrono::ceil<seconds>(token->issued - clock_.now())) +
                     ": this machine's clock is behind the gateway's");
  if (const Result<> usable = check_token(gateway(), *token, clock_.now()); !usable)
    return fix("token", usable.error().what);
  token_ = token;
  good("token", "from " + from + ", of sandbox " + token->sandbox_id + ", until " +
                    iso_time(token->expires));
}

void Examination::take_service_account(const std::string& path) {
  Result<std::string> text = read_file(path, identity::token_limit + 64);
  if (!text) return fix("token", "OPENSHELL_K8S_SA_TOKEN_FILE: " + text.error().what);
  const Secret proof = Secret::take(*text);
  if (proof.empty()) return fix("token", "OPENSHELL_K8S_SA_TOKEN_FILE: " + path + ": is empty");
  good("token",
       "the gateway is to exchange OPENSHELL_K8S_SA_TOKEN_FILE for one; that is not tried");
}

void Examination::compare_clocks(const identity::GatewayHealth& health) {
  if (!health.date) return note("clock", "the gateway does not say what time it is");
  const auto ahead = std::chrono::round<seconds>(clock_.now() - *health.date);
  const std::string apart = duration_text(std::chrono::abs(ahead));
  if (std::chrono::abs(ahead) <= skew_limit)
    return good("clock", "within " + apart + " of the gateway's");
  fix("clock", "this machine's clock is " + apart + (ahead.count() > 0 ? " ahead of" : " behind") +
                   " the gateway's: let both follow the same time servers");
}

void Examination::look_at_access(const identity::AgentTls& tls) {
  if (!token_) return;
  const identity::TokenSlot slot{token_};
  const auto client = identity::GatewayClient::connect(gateway().endpoint, slot, tls);
  if (!client) return fix("access", client.error().what);
  const auto known = (*client)->get_sandbox_config(token_->sandbox_id);
  if (known)
    return good("access",
                "the gateway knows sandbox " + token_->sandbox_id + " and takes the token");
  const bool refused = known.error().grpc_code == identity::grpc_unauthenticated;
  fix("access", known.error().message + (refused ? refused_token_remedy : ""));
}

void Examination::look_at_gateway() {
  if (const auto again = identity::changed_tls(gateway().endpoint); !again)
    note("gateway", again.error().what +
                        ": without capabilities, as while a sandbox runs, new "
                        "certificates would not be read");
  const auto agent = agent_of(gateway(), clock_);
  const identity::AgentTls tls = tls_by(gateway(), agent.get());
  const auto health = identity::ask_health(gateway().endpoint, tls);
  if (!health) return fix("gateway", health.error().message);
  good("gateway", gateway().endpoint.url + " answers" +
                      (health->version.empty() ? "" : ", version " + health->version));
  compare_clocks(*health);
  look_at_access(tls);
}

void Examination::refuse_agent(const Error& error) {
  constexpr const char* verdicts[] = {"retry", "not_registered", "misconfigured"};
  findings_.push_back({"spiffe", Health::fix, error.what,
                       verdicts[static_cast<int>(identity::agent_verdict(error.code))]});
}

void Examination::describe_agent(identity::SpiffeAgent& agent, const identity::X509Svid& svid) {
  const auto x509 = agent.authorities.x509_bundles(agent_patience);
  const auto jwt = agent.tokens.fetch_jwt_bundles(agent_patience);
  std::set<std::string> domains;
  if (x509)
    for (const auto& [domain, pem] : **x509) domains.insert(domain + " (X.509)");
  if (jwt)
    for (const auto& [domain, keys] : *jwt) domains.insert(domain + " (JWT)");
  std::string trusted;
  for (const std::string& domain : domains) trusted += (trusted.empty() ? "" : ", ") + domain;
  good("spiffe", "the agent gives " + svid.spiffe_id + " until " + iso_time(svid.expires) +
                     "; bundles: " + (trusted.empty() ? "none" : trusted));
  if (!x509) refuse_agent(x509.error());
  if (!jwt) refuse_agent(jwt.error());
}

void Examination::look_at_agent() {
  const auto looked = identity::find_workload_endpoint(config_.environment);
  if (!looked) return refuse_agent(looked.error());
  const std::optional<identity::WorkloadEndpoint>& endpoint = *looked;
  if (!endpoint)
    return good("spiffe",
                std::string("not used: ") + identity::workload_socket_variable + " is not set");
  identity::SpiffeAgent agent(*endpoint, config_.options.identity.spiffe_id, clock_);
  const auto svid = agent.certificates.x509_svid(agent_patience);
  if (!svid) return refuse_agent(svid.error());
  describe_agent(agent, **svid);
}

void Examination::look_at_assertions() {
  auto files = assertion_files(config_.options);
  if (!files) return fix("assertion", files.error().what);
  identity::AssertionFiles tokens(*files, clock_);
  for (const auto& [audience, path] : *files) {
    const auto token = tokens.assertion_for(audience);
    if (token)
      good("assertion", token->claims.spiffe_id + " for " + audience + " until " +
                            iso_time(token->claims.expires));
    else
      fix("assertion", token.error().what);
  }
}

}  // namespace

void look_at_identity(const Config& config, SecretVariables& secrets, const Clock& clock,
                      Findings& findings) {
  Examination examination(config, clock, findings);
  if (config.gateway) {
    examination.look_at_token(secrets);
    examination.look_at_gateway();
  }
  examination.look_at_agent();
  examination.look_at_assertions();
}

}  // namespace keyward::supervisor
