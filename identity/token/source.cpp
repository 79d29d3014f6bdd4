#include "identity/token/source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "identity/jwt/sandbox_token.hpp"

namespace keyward::identity {
namespace {

constexpr const char* value_variable = "OPENSHELL_SANDBOX_TOKEN";
constexpr const char* file_variable = "OPENSHELL_SANDBOX_TOKEN_FILE";
constexpr const char* kubernetes_variable = "OPENSHELL_K8S_SA_TOKEN_FILE";

std::string directory_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A file that is itself a mount cannot be replaced by rename(2).
bool is_mount(const std::string& path) {
  struct statx status{};
  return ::statx(AT_FDCWD, path.c_str(), 0, STATX_TYPE, &status) == 0 &&
         (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace

Result<std::shared_ptr<const Token>> parse_token(Secret bearer, std::string_view from) {
  Result<UnverifiedClaims> claims = read_own_token(bearer.reveal());
  if (!claims)
    return fail(claims.error().code, std::string(from) + ": does not hold a sandbox token (" +
                                         claims.error().what +
                                         "); `gateway sandbox token NAME` issues one");
  Token token;
  token.bearer = std::move(bearer);
  token.sandbox_id = std::move(claims->sandbox_id);
  token.subject = std::move(claims->subject);
  token.issuer = std::move(claims->issuer);
  token.jti = std::move(claims->jti);
  token.issued = claims->issued;
  token.expires = claims->expires;
  return std::make_shared<const Token>(std::move(token));
}

Result<std::shared_ptr<const Token>> TokenFile::read() const {
  Result<Secret> content = read_secret_file(path_, token_limit + 64);
  if (!content) return fail_at(file_variable, std::move(content).error());
  return parse_token(Secret(trim(content->reveal())), std::string(file_variable) + ": " + path_);
}

Result<> TokenFile::write(const Token& token) const {
  return replace_file(path_, token.bearer.reveal(), 0600);
}

// The note: the old token's fingerprint and the refresh id.  One of another token, or anything else
// there, is no note.
std::string TokenFile::pending_refresh(const Token& token) const {
  const Result<Secret> note = read_secret_file(note_path(), 256);
  if (!note) return {};
  const std::string_view text = trim(note->reveal());
  const std::string of_token = token.bearer.fingerprint() + " ";
  if (!text.starts_with(of_token) || !is_uuid(text.substr(of_token.size()))) return {};
  return std::string(text.substr(of_token.size()));
}

bool TokenFile::has_pending_refresh(const Token& token) const {
  return !pending_refresh(token).empty();
}

std::string TokenFile::begin_refresh(const Token& token) const {
  std::string id = pending_refresh(token);
  if (!id.empty()) return id;
  id = random_uuid();
  if (!write_obstacle().empty()) return id;  // the new token could not be kept either
  const Result<> noted =
      replace_file(note_path(), token.bearer.fingerprint() + " " + id + "\n", 0600);
  if (!noted)
    log::warn("refresh_not_noted", {{"detail", noted.error().what},
                                    {"effect", "an end in its middle needs a new token"}});
  return id;
}

Result<> TokenFile::end_refresh(const Token& next) const {
  TRY(write(next));
  (void)::unlink(note_path().c_str());  // one that stays is of another token
  return {};
}

std::string TokenFile::write_obstacle() const {
  if (is_mount(path_)) return path_ + " is a mount of its own";
  if (::access(directory_of(path_).c_str(), W_OK) != 0)
    return directory_of(path_) + " is not writable";
  return {};
}

RpcResult<std::shared_ptr<const Token>> ServiceAccountFile::exchange(
    RefreshTransport& transport) const {
  // Not read_secret_file: the kubelet makes it readable for the pod's group.
  Result<std::string> text = read_file(path_, token_limit + 64);
  if (!text)
    return tl::unexpected(RpcError{grpc_code(text.error().code),
                                   std::string(kubernetes_variable) + ": " + text.error().what});
  const Secret content = Secret::take(*text);
  const Secret proof{trim(content.reveal())};
  if (proof.empty())
    return tl::unexpected(RpcError{grpc_invalid_argument,
                                   std::string(kubernetes_variable) + ": " + path_ + ": is empty"});
  RpcResult<RefreshedToken> answer = transport.issue(proof);
  if (!answer) return tl::unexpected(std::move(answer).error());
  auto token = parse_token(std::move(answer->token), "the gateway's answer to an exchange");
  if (!token) return tl::unexpected(RpcError{grpc_internal, std::move(token).error().what});
  return std::move(*token);
}

Result<AcquiredToken> acquire_token(TokenSettings settings) {
  AcquiredToken acquired;
  if (!settings.value.empty()) {
    TRY_ASSIGN(acquired.token, parse_token(Secret(trim(settings.value.reveal())), value_variable));
    return acquired;
  }
  if (!settings.file.empty()) {
    acquired.file.emplace(settings.file);
    TRY_ASSIGN(acquired.token, acquired.file->read());
    return acquired;
  }
  if (!settings.kubernetes_file.empty()) {
    acquired.service_account.emplace(settings.kubernetes_file);
    return acquired;
  }
  return fail(Code::invalid,
              "no token for the gateway: set OPENSHELL_SANDBOX_TOKEN_FILE, "
              "OPENSHELL_SANDBOX_TOKEN or, in Kubernetes, OPENSHELL_K8S_SA_TOKEN_FILE; `gateway "
              "sandbox token NAME` issues one");
}

}  // namespace keyward::identity
