#include "identity/oauth/grant_reports.hpp"

namespace keyward::identity {

void GrantMetrics::count(const GrantReport& report) {
  const std::string result(report.error ? to_string(report.error->code) : "ok");
  ++fetches_[{report.server.empty() ? "agent" : report.server, result}];
  durations_.count(report.took);
}

std::string GrantMetrics::text(const Gauges& gauges) const {
  constexpr std::array<std::string_view, 3> words = {"held", "waited", "refused"};
  Exposition out("keyward_supervisor_grant_");
  out.begin("requests_total", "counter", "Requests that needed a token or keys of a grant.");
  for (std::size_t i = 0; i < words.size(); ++i)
    out.value(Exposition::label("served", words.at(i)), served_.at(i));
  out.begin("fetches_total", "counter", "Questions for a token or keys, by server and result.");
  for (const auto& [labels, count] : fetches_)
    out.value(Exposition::label("server", labels.first) + "," +
                  Exposition::label("result", labels.second),
              count);
  out.begin("fetch_seconds", "histogram", "Time that a question took, the agent's part included.");
  out.histogram(durations_);
  out.begin("wait_seconds", "histogram", "Time that requests waited for the end of a question.");
  out.histogram(waits_);
  out.begin("rejections_total", "counter",
            "Tokens and keys that were dropped because the upstream refused them.");
  out.value("", rejections_);
  out.begin("entries", "gauge", "Tokens, keys and failures that are held.").value("", gauges.held);
  out.begin("fetches_waiting", "gauge", "Questions that wait.").value("", gauges.waiting);
  out.begin("fetches_under_way", "gauge", "Questions under way.").value("", gauges.asked);
  return out.take();
}

}  // namespace keyward::identity
