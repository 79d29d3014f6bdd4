#include "netproxy/audit/ocsf.hpp"

#include <array>

#include "base/log.hpp"

namespace keyward::netproxy {
namespace {

constexpr int http_activity = 4002, network_activity = 4001, application_error = 6008;
constexpr int authentication = 3002, ticket_request = 4, ticket_renewal = 5, oauth_2 = 6,
              other = 99;

// OCSF 4002 activity_id.
int http_activity_id(std::string_view method) {
  constexpr std::array<std::string_view, 9> methods = {
      "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE", "PATCH"};
  for (std::size_t i = 0; i < methods.size(); ++i)
    if (methods[i] == method) return static_cast<int>(i) + 1;
  return 99;
}

// OCSF 4001 activity_id: Open, Fail, Refuse.
int network_activity_id(Outcome outcome) {
  return outcome == Outcome::allowed ? 1 : outcome == Outcome::failed ? 4 : 5;
}

// Appends "key":value pairs; foreign text is quoted and escaped.
class Line {
 public:
  Line& number(std::string_view key, std::int64_t value) {
    start(key);
    text_ += std::to_string(value);
    return *this;
  }
  Line& text(std::string_view key, std::string_view value) {
    if (value.empty()) return *this;
    start(key);
    truncated_ = truncated_ || value.size() > audit_text_limit;
    text_ += log::json_quote(value.substr(0, audit_text_limit));
    return *this;
  }
  Line& open(std::string_view key) {
    start(key);
    text_ += '{';
    first_ = true;
    return *this;
  }
  Line& close() {
    text_ += '}';
    first_ = false;
    return *this;
  }
  bool truncated() const { return truncated_; }
  std::string take() { return std::move(text_ += '}'); }

 private:
  void start(std::string_view key) {
    if (!first_) text_ += ',';
    first_ = false;
    text_.append("\"").append(key).append("\":");
  }
  std::string text_ = "{";
  bool first_ = true, truncated_ = false;
};

struct Class {
  int uid, category, activity, severity;
};

void add_common(Line& line, const Class& c, std::uint64_t sequence, TimePoint time) {
  line.number("class_uid", c.uid)
      .number("category_uid", c.category)
      .number("activity_id", c.activity);
  line.number("type_uid", std::int64_t{c.uid} * 100 + c.activity).number("severity_id", c.severity);
  line.number("time", time.time_since_epoch().count());
  line.open("metadata")
      .text("version", "1.8.0")
      .number("sequence", static_cast<std::int64_t>(sequence));
  line.open("product")
      .text("name", "Keyward")
      .text("vendor_name", "Keyward")
      .text("version", KEYWARD_VERSION)
      .close()
      .close();
}

void add_request(Line& line, const AuditEvent& event) {
  line.open("http_request").text("http_method", event.method);
  line.open("url")
      .text("scheme", event.scheme)
      .text("hostname", event.host)
      .number("port", event.port)
      .text("path", std::string_view(event.path).substr(0, event.path.find('?')));
  line.close().close();
  line.open("http_response")
      .number("code", event.status)
      .number("latency", event.microseconds / 1000)
      .close();
}

}  // namespace

std::string ocsf_line(const AuditEvent& event, std::uint64_t sequence, TimePoint time) {
  const bool denied = event.outcome == Outcome::denied;
  const int activity =
      event.http ? http_activity_id(event.method) : network_activity_id(event.outcome);
  Line line;
  add_common(line,
             {event.http ? http_activity : network_activity, 4, activity,
              denied                             ? 3
              : event.outcome == Outcome::failed ? 2
                                                 : 1},
             sequence, time);
  line.number("action_id", denied ? 2 : 1).number("disposition_id", denied ? 2 : 1);
  line.number("status_id", event.outcome == Outcome::allowed ? 1 : 2)
      .text("status_detail", event.reason)
      .text("message", event.detail);
  line.open("dst_endpoint")
      .text("hostname", event.host)
      .number("port", event.port)
      .text("ip", event.address)
      .close();
  if (!event.program.empty())
    line.open("actor")
        .open("process")
        .open("file")
        .text("path", event.program)
        .close()
        .close()
        .close();
  if (event.http) add_request(line, event);
  line.open("firewall_rule")
      .text("name", event.rule)
      .text("uid", event.policy_hash.substr(0, 16))
      .close();
  line.open("traffic").number("bytes_out", static_cast<std::int64_t>(event.bytes_up));
  line.number("bytes_in", static_cast<std::int64_t>(event.bytes_down)).close();
  line.open("unmapped").text("credential", event.credential).text("signing", event.signing);
  if (!event.signing.empty())
    line.text("signing_service", event.signing_service)
        .text("signing_region", event.signing_region)
        .text("key_id_end", event.key_id_end);
  if (event.audited) line.text("enforcement", "audit");
  if (line.truncated()) line.text("truncated", "yes");
  line.number("duration_us", event.microseconds).close();
  return line.take();
}

std::string ocsf_line(const GrantEvent& event, std::uint64_t sequence, TimePoint time) {
  const bool is_oauth = event.kind != "aws_web_identity";
  Line line;
  add_common(
      line,
      {authentication, 3, event.renewal ? ticket_renewal : ticket_request, event.granted ? 1 : 3},
      sequence, time);
  line.number("status_id", event.granted ? 1 : 2)
      .text("status_detail", event.reason)
      .text("message", event.detail);
  line.number("auth_protocol_id", is_oauth ? oauth_2 : other)
      .text("auth_protocol", is_oauth ? "OAuth 2.0" : "AWS STS");
  line.open("user").text("uid", event.workload).number("type_id", 3).close();  // a system's
  line.open("service").text("name", event.audience).close();
  line.open("dst_endpoint").text("name", event.server).close();
  line.open("unmapped").text("credential", event.credential).text("grant", event.kind);
  if (event.granted) line.number("lifetime_seconds", event.lifetime_seconds);
  line.text("key_id_end", event.key_id_end);
  if (line.truncated()) line.text("truncated", "yes");
  line.number("duration_us", event.microseconds).close();
  return line.take();
}

std::string ocsf_dropped_line(std::uint64_t dropped, std::uint64_t sequence, TimePoint time) {
  Line line;
  add_common(line, {application_error, 6, 99, 4}, sequence, time);
  line.text("message", "audit records were dropped because the file could not keep up")
      .number("count", static_cast<std::int64_t>(dropped));
  return line.take();
}

}  // namespace keyward::netproxy
