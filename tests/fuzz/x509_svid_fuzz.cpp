// X.509-SVIDs and bundles, as an agent sends them.
#include <cstdint>
#include <cstdlib>

#include "base/key_pair.hpp"
#include "identity/spiffe/x509_svid.hpp"

using namespace keyward;
using namespace keyward::identity;

namespace {

// Up to the next length, which two bytes say; all that is left where it is longer.
std::string_view next(std::string_view& from) {
  if (from.size() < 2) return std::exchange(from, {});
  const std::size_t wanted =
      static_cast<unsigned char>(from[0]) * std::size_t{256} + static_cast<unsigned char>(from[1]);
  from.remove_prefix(2);
  const std::string_view part = from.substr(0, wanted);
  from.remove_prefix(part.size());
  return part;
}

void check(const Error& error) {
  for (const char c : error.what)
    if (c < ' ' || c > '~') std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string_view certificates = next(rest), key = next(rest), bundle = next(rest);
  const TimePoint now(std::chrono::seconds(1'800'000'000));
  const auto svid =
      read_x509_svid({"spiffe://example.org/sandbox/a", certificates, key, bundle}, now);
  if (!svid) check(svid.error());
  if (svid && !check_key_pair(svid->certificates_pem, svid->key_pem.reveal())) std::abort();
  const auto bundles = read_x509_bundles({{"spiffe://example.org", bundle}, {rest, certificates}});
  if (!bundles) check(bundles.error());
  return 0;
}
