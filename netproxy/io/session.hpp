#pragma once
// One client connection, from its first byte to its end.

#include "netproxy/io/exchange.hpp"
#include "netproxy/io/inbox.hpp"
#include "netproxy/io/upload.hpp"
#include "netproxy/io/worker.hpp"

namespace keyward::netproxy {

class Session {
 public:
  // `worker` outlives the session.
  Session(Worker& worker, UniqueFd socket);
  // The connection's whole life.
  Task<> serve();

 private:
  enum class HeadState { complete, closed, timed_out, too_large, broken };
  struct HeadRead {
    HeadState state = HeadState::broken;
    std::size_t size = 0;
  };
  struct Reply {  // what the upstream answered, while it is being passed on
    ResponseHead head;
    bool client_lives = true;    // the connection to the client can carry another request
    bool upstream_lives = true;  // likewise, to the upstream
  };

  // session.cpp: connections and tunnels
  Task<> serve_requests();
  Task<Result<>> open_listener_tls();
  Task<HeadRead> read_head(std::chrono::seconds first_byte_within);
  Task<bool> refuse_head(HeadRead read);
  Task<> serve_connect(RequestHead request);
  Answer<Verdict> read_connect(const RequestHead& request, Exchange& exchange);
  Verdict decide_tunnel(const Exchange& exchange) const;
  Task<Answer<>> relay_opaque(Exchange& exchange);
  Task<Answer<>> detect_protocol(const std::string& host);
  Task<Answer<>> terminate_tls(const std::string& host);
  void identify_client(const Policy* policy);

  // request.cpp: one request
  Task<bool> serve_request(RequestHead request);
  Task<Answer<>> admit(Exchange& exchange);
  Task<Answer<>> authorize(Exchange& exchange);
  Task<Answer<>> authorize_anew(Exchange& exchange);
  Task<Answer<bool>> carry_out(Exchange& exchange);
  Task<Answer<bool>> forward(Exchange& exchange);
  std::unique_ptr<Upload> make_upload(Exchange& exchange);
  Task<Answer<>> look_at_grant(Exchange& exchange);
  Task<Answer<UpstreamPtr>> send_request(Exchange& exchange, Upload& upload);
  Task<Answer<bool>> forward_body(Exchange& exchange, Upload& upload, UpstreamPtr upstream);
  Task<Answer<Reply>> await_reply(Exchange& exchange, UpstreamConnection& upstream, Upload& upload);
  Task<Answer<bool>> await_continue(UpstreamConnection& upstream);

  // gated.cpp: what a gate asks for
  RequestGate* gate() const { return worker_.shared.deps.gate; }
  Task<Answer<>> pass_gate(Exchange& exchange);
  Task<Answer<std::string_view>> collect(Exchange& exchange);
  Task<Answer<>> collect_elsewhere(Exchange& exchange);
  Task<Answer<bool>> answer_locally(Exchange& exchange);
  Task<Answer<>> tell_to_continue();

  // relay.cpp: the way back
  Task<Answer<ResponseHead>> read_response_head(Exchange& exchange, UpstreamConnection& upstream);
  Task<bool> is_rejected(Exchange& exchange, UpstreamConnection& upstream,
                         const ResponseHead& head);
  Task<Answer<>> relay_response(Exchange& exchange, UpstreamConnection& upstream, Reply& reply);
  Task<Answer<>> relay_interim(const ResponseHead& head);
  Task<> refuse(Exchange& exchange, Problem problem, bool keep_alive);
  Task<> linger();
  void audit(Exchange& exchange, const Problem* problem);

  const ProxyLimits& limits() const { return worker_.shared.settings.limits; }

  Worker& worker_;
  Stream client_;
  Inbox inbox_;
  Origin origin_;
  bool identified_ = false;
  bool lingered_ = false;
  bool continued_ = false;  // the client has been told to go on with its body
};

}  // namespace keyward::netproxy
