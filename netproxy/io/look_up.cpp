#include "netproxy/io/look_up.hpp"

#include "netproxy/io/loop.hpp"
#include "netproxy/io/resolver.hpp"

namespace keyward::netproxy {
namespace {

Task<> resolve_and_stop(Loop& loop, Resolver& resolver, std::string host,
                        Result<std::vector<Address>>& answer) {
  answer = co_await resolver.resolve(std::move(host));
  loop.stop();
}

}  // namespace

Result<std::vector<Address>> look_up(const ProxySettings& settings, const std::string& host,
                                     const std::stop_token& stop) {
  Result<std::vector<Address>> answer = fail(Code::internal, "dns: no answer");
  Loop loop;
  TRY(loop.open());
  TRY_ASSIGN(const auto resolver, Resolver::create(loop, settings));
  loop.spawn(resolve_and_stop(loop, *resolver, host, answer));
  const std::stop_callback gives_up(stop, [&loop] { loop.stop(); });
  loop.run();
  return answer;
}

}  // namespace keyward::netproxy
