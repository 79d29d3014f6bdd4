// sigv4-proxy: signs requests of callers that cannot sign, and forwards them.

#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdio>
#include <exception>
#include <string>

#include "base/log.hpp"
#include "identity/aws/configuration.hpp"
#include "sigv4proxy/options.hpp"
#include "sigv4proxy/serve.hpp"

namespace keyward::sigv4proxy {
namespace {

constexpr int failed = 1, wrong_option = 2;

// The keys shall not be found in a core file, nor by another process of the same user.
void keep_memory_private() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int run(const std::vector<std::string>& arguments) {
  keep_memory_private();
  const auto parsed = parse_options(arguments);
  if (!parsed) {
    std::fprintf(stderr, "sigv4-proxy: %s\n", parsed.error().what.c_str());
    return wrong_option;
  }
  if (const auto* answer = std::get_if<AskedText>(&*parsed)) {
    std::fputs(answer->text.c_str(), stdout);
    return 0;
  }
  const Options& options = std::get<Options>(*parsed);
  log::set_program("sigv4-proxy");
  log::set_level(options.log_level);
  Environment environment;
  environment.secrets = take_secret_variables(identity::aws_secret_variables());
  environment.variables = environment_map();
  const Result<> served = serve(options, environment);
  if (served) return 0;
  std::fprintf(stderr, "sigv4-proxy: %s\n", served.error().what.c_str());
  return served.error().code == Code::invalid ? wrong_option : failed;
}

}  // namespace
}  // namespace keyward::sigv4proxy

int main(int argc, char** argv) {
  try {
    return keyward::sigv4proxy::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {  // of a library: nothing of ours throws
    std::fprintf(stderr, "sigv4-proxy: unexpected failure: %s\n", error.what());
    return keyward::sigv4proxy::failed;
  }
}
