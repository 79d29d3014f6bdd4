// How close verifying and re-signing chunks come to the hash that they cannot do without: SHA-256
// by OpenSSL, in the same run, in turns.  CPU time of the thread, so that neighbours count less.
//   chunks_bench [ROUNDS]

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "tests/netproxy/chunk_reference.hpp"

namespace keyward::netproxy {
namespace {

constexpr std::size_t chunk_size = 65536;
constexpr std::size_t chunk_count = 256;
constexpr AwsChunkedForm form{ChunkSigning::hmac, false};

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Samples {
  const char* what;
  std::vector<double> rates;  // bytes of the object per second
  double median() {
    std::sort(rates.begin(), rates.end());
    return rates[rates.size() / 2];
  }
};

template <class Work>
void sample(Samples& samples, Work work) {
  const double before = cpu_seconds();
  if (!work()) std::abort();
  samples.rates.push_back(static_cast<double>(chunk_size * chunk_count) / (cpu_seconds() - before));
}

bool hash_only(const std::string& data) {
  Sha256 hash;
  for (std::size_t i = 0; i < chunk_count; ++i) {
    hash.update(std::string_view(data).substr(i * chunk_size, chunk_size));
    (void)hash.finish();
  }
  return true;
}

bool verify(const AwsChunkedBody& declared, const ChunkAuthor& author, std::string_view body) {
  AwsChunkedCheck check(declared, author);
  for (; !body.empty(); body.remove_prefix(std::min(chunk_size, body.size())))
    if (!check.update(body.substr(0, chunk_size))) return false;
  return check.finish().has_value();
}

bool resign(const AwsChunkedBody& declared, const ChunkResigner::Sides& sides,
            std::string_view body) {
  ChunkResigner pipe(declared, sides);
  std::size_t sent = 0;
  const std::size_t all = body.size();
  while (!body.empty()) {
    const auto taken = pipe.take(body.substr(0, chunk_size));
    if (!taken) return false;
    body.remove_prefix(*taken);
    sent += pipe.ready().size();
    pipe.sent();
  }
  return pipe.finish() && sent == all;
}

int run(int rounds) {
  const std::string data(chunk_size * chunk_count, 'x');
  const ChunkParty client = example_party(std::string(64, 'c'));
  const ChunkAuthor author = client.author();
  const ChunkResigner::Sides sides{author, other_party().editor(), std::nullopt};
  const std::string body = encode_chunks(
      form, client, std::vector<std::string>(chunk_count, data.substr(0, chunk_size)));
  const AwsChunkedBody declared{form, data.size(), {}};
  Samples hashed{"SHA-256 alone", {}}, verified{"verify", {}}, resigned{"verify and re-sign", {}};
  for (int round = 0; round < rounds; ++round) {
    sample(hashed, [&] { return hash_only(data); });
    sample(verified, [&] { return verify(declared, author, body); });
    sample(resigned, [&] { return resign(declared, sides, body); });
  }
  const double limit = hashed.median();
  for (Samples* each : {&hashed, &verified, &resigned})
    std::printf("%-20s %7.0f MB/s  %5.1f %%\n", each->what, each->median() / 1e6,
                100 * each->median() / limit);
  return 0;
}

}  // namespace
}  // namespace keyward::netproxy

int main(int argc, char** argv) {
  return keyward::netproxy::run(argc > 1 ? std::max(1, std::atoi(argv[1])) : 30);
}
