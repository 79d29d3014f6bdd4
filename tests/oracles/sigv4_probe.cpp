// usage: sigv4_probe < LINES
//
// Signs and verifies; each line of JSON asks and is answered by one line.
//   {"do":"sign", "form":"header"|"query", "method", "host", "target", "headers":[[NAME,VALUE]…],
//    "payload", "expires", "algorithm":"hmac"|"ecdsa", "region", "service", "date",
//    "key":{"id","secret","token"}}
//      → {"target","headers","canonical","text"}, SigV4a: also "public_key":[X,Y] in hex
//   {"do":"verify", "method", "target", "headers", "body_hash", "region", "service", "date",
//    "key":{"id","secret"} or {"id","public_key"}}
//      → {"ok":true}
//   {"do":"sign events", "region", "service", "date", "seed", "key":{"id","secret"},
//    "events":[{"date", "payload": in hex}…]}
//      → {"messages":[MESSAGE in hex…]}
//   {"do":"open events", …, "messages":[MESSAGE in hex…]}  each is opened at its event's date
//      → {"payloads":[PAYLOAD in hex…]}
// What does not succeed is {"ok":false,"error"}, with "code", "canonical" and "text" where there is
// a verdict.

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "netproxy/sigv4/event_stream.hpp"
#include "netproxy/sigv4/query.hpp"
#include "tests/netproxy/sigv4_support.hpp"

using namespace keyward;
using namespace keyward::netproxy;
using nlohmann::json;

namespace {

RequestHead request_of(const json& order) {
  Headers headers;
  for (const json& header : order.at("headers"))
    headers.push_back({header.at(0).get<std::string>(), header.at(1).get<std::string>()});
  return head_of(order.at("method"), order.at("target"), std::move(headers));
}

json lines_of(const Headers& headers) {
  json lines = json::array();
  for (const Header& header : headers) lines.push_back({header.name, header.value});
  return lines;
}

json failure(const std::string& what) { return {{"ok", false}, {"error", what}}; }

// What the signature of a signed request covers, for a reader of a difference.
void explain(const RequestHead& head, std::string_view service, json& answer) {
  const auto claim = read_claim(head);
  if (!claim || !*claim) return;
  const SignatureClaim& found = **claim;
  const auto target = without_query_items(
      head.target, [](const QueryItem& item) { return item.name == "X-Amz-Signature"; });
  if (!target) return;
  const auto canonical = canonical_target(*target, path_style_of(service));
  if (!canonical) return;
  Headers headers;
  for (const Header& header : head.headers)
    if (std::binary_search(found.signed_headers.begin(), found.signed_headers.end(),
                           lower(header.name)))
      headers.push_back(header);
  const CanonicalRequest request =
      canonical_request(head.method, *canonical, headers, answer["payload"].get<std::string>());
  answer["canonical"] = request.text;
  answer["text"] = string_to_sign(found.amz_date, found.scope, request.text);
}

json public_key_of(const P256PublicKey& key) {
  return {hex(as_bytes(key.x())), hex(as_bytes(key.y()))};
}

json sign(const json& order, SigningKeys& keys) {
  const json& key = order.at("key");
  const AwsCredentials credentials{key.at("id"), Secret(key.at("secret").get<std::string>()),
                                   Secret(key.value("token", ""))};
  const bool ecdsa = order.at("algorithm") == "ecdsa";
  const std::string host = order.at("host"), date = order.at("date");
  SigningInput input{credentials,
                     {order.at("region"), order.at("service"),
                      ecdsa ? SigningAlgorithm::ecdsa : SigningAlgorithm::hmac},
                     {},
                     host,
                     time_of(date)};
  input.payload.hash = order.at("payload");
  input.keys = &keys;
  RequestHead head = request_of(order);
  Result<> done;
  if (order.at("form") == "query")
    done = presign_request(head, input, std::chrono::seconds(order.at("expires")));
  else if (auto signed_text = sign_request(head, input); !signed_text)
    done = tl::unexpected(signed_text.error());
  if (!done) return failure(done.error().what);

  json answer = {{"target", head.target},
                 {"headers", lines_of(head.headers)},
                 {"payload", input.payload.hash}};
  explain(head, input.target.service, answer);
  if (!ecdsa) return answer;
  const auto pair = keys.key_pair(credentials.access_key_id, credentials.secret_access_key);
  if (!pair) return failure(pair.error().what);
  answer["public_key"] = public_key_of(pair->public_key());
  return answer;
}

// The key that the order holds, in the form in which it holds it.
OneKey key_of(const json& order) {
  const json& key = order.at("key");
  if (!key.contains("public_key")) return OneKey::with_secret(key.at("id"), key.at("secret"));
  return {key.at("id"), [key](const SignatureClaim&) -> VerificationKey {
            const json& point = key.at("public_key");
            return P256PublicKey::from_point(unhex(point.at(0).get<std::string>()).value(),
                                             unhex(point.at(1).get<std::string>()).value())
                .value();
          }};
}

json verify(const json& order, SigningKeys& cache) {
  const RequestHead head = request_of(order);
  const std::string service = order.at("service"), region = order.at("region");
  const std::string body_hash = order.at("body_hash"), date = order.at("date");
  VerifierRules rules{service, region, path_style_of(service), time_of(date), body_hash};
  rules.keys = &cache;
  OneKey keys = key_of(order);
  const auto verified = verify_request(head, rules, keys);
  if (verified) return {{"ok", true}, {"payload", verified->payload_hash}};
  json answer = failure(verified.error().message);
  answer["code"] = to_string(verified.error().code);
  answer["payload"] = order.value("payload", "");
  explain(head, service, answer);
  return answer;
}

EventChain chain_of(const json& order, SigningKeys& cache) {
  const json& key = order.at("key");
  const std::string date = order.at("date");
  const EventKeys keys = [&key, &cache](const SigningScope& scope) {
    return cache.get(key.at("id").get<std::string>(), Secret(key.at("secret").get<std::string>()),
                     scope);
  };
  return {{date.substr(0, 8), order.at("region"), order.at("service"), SigningAlgorithm::hmac},
          order.at("seed"),
          keys};
}

json sign_events(const json& order, SigningKeys& cache) {
  EventChain chain = chain_of(order, cache);
  json messages = json::array();
  for (const json& event : order.at("events")) {
    const std::string date = event.at("date");
    const auto message =
        chain.sign(unhex(event.at("payload").get<std::string>()).value(), time_of(date));
    if (!message) return failure(message.error().what);
    messages.push_back(hex(as_bytes(*message)));
  }
  return {{"messages", messages}};
}

json open_events(const json& order, SigningKeys& cache) {
  EventChain chain = chain_of(order, cache);
  json payloads = json::array();
  for (std::size_t i = 0; i < order.at("messages").size(); ++i) {
    const std::string date = order.at("events").at(i).at("date");
    const std::string message = unhex(order.at("messages").at(i).get<std::string>()).value();
    const auto payload = chain.open(message, time_of(date));
    if (!payload) return failure(payload.error().message);
    payloads.push_back(hex(as_bytes(*payload)));
  }
  return {{"payloads", payloads}};
}

json answer_to(const json& order, SigningKeys& keys) {
  const std::string what = order.at("do");
  if (what == "sign") return sign(order, keys);
  if (what == "sign events") return sign_events(order, keys);
  if (what == "open events") return open_events(order, keys);
  return verify(order, keys);
}

}  // namespace

int main() {
  SigningKeys keys;
  for (std::string line; std::getline(std::cin, line);) {
    const json order = json::parse(line, nullptr, false);
    if (!order.is_object()) return 2;
    std::puts(answer_to(order, keys).dump().c_str());
  }
  return 0;
}
