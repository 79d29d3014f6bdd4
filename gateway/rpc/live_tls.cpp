#include "gateway/rpc/live_tls.hpp"

#include <fcntl.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/key_pair.hpp"

namespace keyward::gateway {
namespace {

// gRPC compares times in whole seconds.
Result<UniqueFd> memory_file(std::string_view content, int generation) {
  UniqueFd file(::memfd_create("keyward-tls", MFD_CLOEXEC));
  if (!file) return fail_errno("memfd_create");
  TRY(write_all(file.get(), content, "memfd"));
  const timespec times[] = {{generation, 0}, {generation, 0}};
  if (::futimens(file.get(), times) != 0) return fail_errno("futimens");
  return file;
}

// Its path stays the same.
Result<> put(UniqueFd& place, UniqueFd file) {
  if (!place) {
    place = std::move(file);
    return {};
  }
  if (::dup3(file.get(), place.get(), O_CLOEXEC) < 0) return fail_errno("dup3");
  return {};
}

std::string path_of(const UniqueFd& file) {
  return file ? "/proc/self/fd/" + std::to_string(file.get()) : "";
}

Result<> check(const ServerTls& tls) {
  if (const auto pair = check_key_pair(tls.certificate_pem, tls.key_pem.reveal()); !pair)
    return fail_at("the server's certificate and key", pair.error());
  if (tls.client_ca_pem.empty()) return {};
  if (const auto ca = check_certificates(tls.client_ca_pem); !ca)
    return fail_at("the clients' CA", ca.error());
  return {};
}

}  // namespace

Result<std::shared_ptr<LiveTls>> LiveTls::create(const ServerTls& tls) {
  auto live = std::make_shared<LiveTls>();
  live->asks_ = !tls.client_ca_pem.empty();
  live->requires_ = tls.require_client_certificate;
  TRY(live->replace(tls));
  return live;
}

Result<bool> LiveTls::replace(const ServerTls& tls) {
  const std::lock_guard lock(mutex_);
  Secret pair = tls.key_pem.clone();
  pair.append("\n" + tls.certificate_pem);
  Secret all = pair.clone();
  all.append(tls.client_ca_pem);
  if (all.fingerprint() == fingerprint_) return false;
  TRY(check(tls));
  if (asks_ && tls.client_ca_pem.empty())
    return fail(Code::invalid, "the clients' CA: the file is empty");
  ++generation_;
  TRY_ASSIGN(UniqueFd pair_file, memory_file(pair.reveal(), generation_));
  TRY_ASSIGN(UniqueFd ca_file, memory_file(tls.client_ca_pem, generation_));
  TRY(put(pair_, std::move(pair_file)));
  if (asks_) TRY(put(client_ca_, std::move(ca_file)));
  fingerprint_ = all.fingerprint();
  return true;
}

std::shared_ptr<grpc::ServerCredentials> LiveTls::credentials() const {
  const std::string pair = path_of(pair_);
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          pair, pair, path_of(client_ca_), interval_seconds));
  options.watch_identity_key_cert_pairs();
  if (asks_) options.watch_root_certs();
  auto wanted = GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
  if (requires_)
    wanted = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  else if (asks_)
    wanted = GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
  options.set_cert_request_type(wanted);
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace keyward::gateway
